// Command wireshark writes the dissector of the protocol for Wireshark and tshark, in Lua,
// with the constants of the specification.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"strings"
	"text/template"

	"gntconfd/gen/wire"
)

//go:embed confd.lua.tmpl
var dissector string

func main() {
	target := flag.String("target", "", "file to write")
	flag.Parse()
	if err := write(*target); err != nil {
		fmt.Fprintln(os.Stderr, "wireshark:", err)
		os.Exit(1)
	}
}

// write writes the dissector to a file.
func write(target string) error {
	var out strings.Builder
	err := template.Must(template.New("").Parse(dissector)).Execute(&out, map[string]any{
		"Magic": wire.Magic, "Port": wire.DefaultPort, "ClockSkew": wire.ClockSkew, "Requests": wire.RequestWords,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(target, []byte(out.String()), 0o644)
}
