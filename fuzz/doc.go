// Package fuzz tests the whole daemon against the protocol's description: it generates
// messages and configurations from the schemas in spec/, checks answers against a
// deliberately naive model of Ganeti 3.0.2, and contains the native fuzz targets. The model
// itself is checked against Ganeti's own daemon if that is installed.
//
// All of it runs briefly as ordinary tests. To search for longer:
//
//	go test ./fuzz -run='^$' -fuzz='^FuzzDatagram$' -fuzztime=10m -fuzzminimizetime=1x
//	go test ./fuzz -run=TestAnswers -rapid.checks=10000
package fuzz
