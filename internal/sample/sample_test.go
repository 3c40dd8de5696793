package sample_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gntconfd/internal/sample"
	"gntconfd/internal/testing/specfiles"
)

func TestConfigFollowsSchema(t *testing.T) {
	followsSchema(t, sample.Config)
}

// followsSchema checks a configuration against spec/config.json.
func followsSchema(t *testing.T, config []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		t.Fatal(err)
	}
	if err := specfiles.Schema(t, "config.json").Validate(value); err != nil {
		t.Error(err)
	}
}

// TestAddressesAreForDocumentation: examples contain only addresses reserved for
// documentation (RFC 5737, RFC 3849).
func TestAddressesAreForDocumentation(t *testing.T) {
	// Loopback addresses may stay: a console and a volume server use them.
	allowed := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("127.0.0.1/32"),
		netip.MustParsePrefix("0.0.0.0/32"),
	}
	texts := regexp.MustCompile(`"([0-9a-f:.]+)(/\d+)?"`).FindAllSubmatch(sample.Config, -1)
	addresses := 0
next:
	for _, text := range texts {
		address, err := netip.ParseAddr(string(text[1]))
		if err != nil {
			continue
		}
		addresses++
		for _, prefix := range allowed {
			if prefix.Contains(address) {
				continue next
			}
		}
		t.Errorf("%s is not reserved for documentation", address)
	}
	if addresses < 40 {
		t.Errorf("found %d addresses, expected at least 40", addresses)
	}
}

// TestVariety guards what other packages' tests and demonstrations rely on: every role,
// every kind of disk, both links.
func TestVariety(t *testing.T) {
	var config struct {
		Cluster struct {
			MasterNode string `json:"master_node"`
		}
		Nodes map[string]struct {
			Candidate bool `json:"master_candidate"`
			Offline   bool
			Drained   bool
		}
		Disks map[string]struct {
			DevType  string `json:"dev_type"`
			Children []json.RawMessage
		}
	}
	if err := json.Unmarshal(sample.Config, &config); err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for uuid, node := range config.Nodes {
		switch {
		case uuid == config.Cluster.MasterNode:
			found["master"]++
		case node.Drained:
			found["drained"]++
		case node.Offline:
			found["offline"]++
		case node.Candidate:
			found["candidate"]++
		default:
			found["regular"]++
		}
	}
	for _, disk := range config.Disks {
		found[disk.DevType]++
		if disk.DevType == "drbd" && len(disk.Children) != 2 {
			t.Errorf("a DRBD disk has %d children", len(disk.Children))
		}
	}
	for _, kind := range []string{"master", "candidate", "offline", "drained", "regular", "plain", "file", "drbd"} {
		if found[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	for _, link := range []string{`"link": "br0"`, `"link": "br1"`} {
		if !bytes.Contains(sample.Config, []byte(link)) {
			t.Errorf("no NIC or network with %s", link)
		}
	}
}
