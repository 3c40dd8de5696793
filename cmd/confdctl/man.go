//go:build man

package main

import "gntconfd/packaging/manual"

func init() { manual.Write(newRoot(), "1") }
