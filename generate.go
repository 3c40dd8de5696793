// Package gntconfd is a drop-in replacement for Ganeti's configuration daemon,
// ganeti-confd. The programs are in cmd, the protocol as data is in spec; this file lists
// every command that generates code from it.
//
// Only these commands write to gen; never edit it.
package gntconfd

//go:generate go run ./internal/specgen constants -package wire -target gen/wire/constants_gen.go spec/constants.json
//go:generate go run ./internal/specgen ogen -target gen/wire/messages.schema.json spec/wire.json
//go:generate go tool jschemagen -loglevel error -package wire -typename Messages -target gen/wire/messages_gen.go gen/wire/messages.schema.json
//go:generate go run ./internal/specgen tuples -target gen/wire/messages_gen.go spec/wire.json
//go:generate go run ./internal/specgen buffer -package wire -type Envelope -target gen/wire/envelope_gen.go spec/wire.json
//go:generate go run ./internal/specgen common -package wire -type Request -target gen/wire/request_gen.go spec/wire.json
//go:generate go run ./internal/specgen index -target gen/index/index.schema.json spec/config.json
//go:generate go tool jschemagen -loglevel error -package index -typename Config -target gen/index/index_gen.go gen/index/index.schema.json
//go:generate go run ./internal/specgen tuples -target gen/index/index_gen.go spec/config.json
//go:generate go run ./internal/specgen index -target gen/classic/classic.schema.json spec/classic.json
//go:generate go tool jschemagen -loglevel error -package classic -typename Config -target gen/classic/classic_gen.go gen/classic/classic.schema.json
//go:generate go run ./internal/specgen forms -target gen/form/form_gen.go spec/config.json spec/classic.json
//go:generate go run ./internal/specgen objects -package object -type Instance,Disk,DRBDLogicalID,PlainLogicalID,FileLogicalID,BlockdevLogicalID,ExternalLogicalID -target gen/object/object_gen.go spec/config.json
//go:generate go run ./internal/specgen rules -package rules -target gen/rules/rules_gen.go spec/constants.json spec/errors.json spec/requests.json spec/lookups.json spec/datagram.json spec/values.json
//go:generate go run ./internal/specgen readme -target spec/README.md spec/constants.json spec/wire.json spec/deviations.json spec/errors.json spec/requests.json spec/lookups.json spec/datagram.json spec/values.json
//go:generate go run ./internal/specgen doc -package wire -target gen/wire/doc_gen.go "has the messages of the confd protocol and its constants: codecs made from spec/wire.json, constants from spec/constants.json."
//go:generate go run ./internal/specgen doc -package index -target gen/index/doc_gen.go "has codecs of those members of the configuration file that the daemon indexes, made from spec/config.json. They skip all others."
//go:generate go run ./internal/specgen doc -package classic -target gen/classic/doc_gen.go "has codecs of what older releases wrote differently into the configuration file, made from spec/classic.json. They keep all other members as they are."
//go:generate go run ./internal/specgen python -target gen/python spec/constants.json spec/wire.json spec/config.json spec/answers.json spec/classic-answers.json spec/errors.json spec/requests.json spec/lookups.json spec/datagram.json spec/values.json
//go:generate go run ./internal/specgen typescript -target gen/typescript spec/constants.json spec/wire.json spec/config.json spec/answers.json spec/classic-answers.json spec/errors.json spec/requests.json spec/lookups.json spec/datagram.json spec/values.json
//go:generate go run ./packaging/wireshark -target gen/wireshark/confd.lua
