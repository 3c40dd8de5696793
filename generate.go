// Package gntconfd is a drop-in replacement of Ganeti's configuration daemon,
// ganeti-confd. The programs are in cmd, the protocol as data in spec; this file
// lists every command that makes generated code from it.
//
// Whatever stands in gen is written by these commands alone and never edited.
package gntconfd

//go:generate go run ./internal/specgen constants -package wire -target gen/wire/constants_gen.go spec/constants.json
//go:generate go tool jschemagen -loglevel error -package wire -typename Messages -target gen/wire/messages_gen.go spec/wire.json
//go:generate go run ./internal/specgen tuples -target gen/wire/messages_gen.go spec/wire.json
//go:generate go run ./internal/specgen buffer -package wire -type Envelope -target gen/wire/envelope_gen.go spec/wire.json
//go:generate go tool jschemagen -loglevel error -package config -typename Config -target gen/config/config_gen.go spec/config.json
//go:generate go run ./internal/specgen tuples -target gen/config/config_gen.go spec/config.json
//go:generate go run ./internal/specgen index -target gen/index/index.schema.json spec/config.json
//go:generate go tool jschemagen -loglevel error -package index -typename Config -target gen/index/index_gen.go gen/index/index.schema.json
//go:generate go run ./internal/specgen tuples -target gen/index/index_gen.go spec/config.json
//go:generate go run ./internal/specgen index -target gen/classic/classic.schema.json spec/classic.json
//go:generate go tool jschemagen -loglevel error -package classic -typename Config -target gen/classic/classic_gen.go gen/classic/classic.schema.json
//go:generate go run ./internal/specgen forms -target gen/form/form_gen.go spec/config.json spec/classic.json
//go:generate go run ./internal/specgen objects -package object -type Instance,Disk,DRBDLogicalID,PlainLogicalID,FileLogicalID,BlockdevLogicalID,ExternalLogicalID -target gen/object/object_gen.go spec/config.json
//go:generate go run ./packaging/wireshark -target gen/wireshark/confd.lua
