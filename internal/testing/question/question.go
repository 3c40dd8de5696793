// Package question makes requests of a few words, for tests.
package question

import (
	"testing"

	"github.com/go-faster/jx"

	"gntconfd/gen/wire"
)

// Question is what a request asks: its type and query, as members of a JSON object. An
// example is "type":1,"query":"node1".
type Question string

// Rsalt is the rsalt of all requests.
const Rsalt = "2f4c8b4d-e8b5-546c-af03-b64efffb9e75"

// Text returns the JSON text of the request.
func (q Question) Text() string {
	return `{"protocol":1,"rsalt":"` + Rsalt + `",` + string(q) + `}`
}

// Request returns the request. The test fails if q is none.
func (q Question) Request(tb testing.TB) *wire.Request {
	tb.Helper()
	request := new(wire.Request)
	if err := request.Decode(jx.DecodeStr(q.Text())); err != nil {
		tb.Fatalf("%.200s: %v", q, err)
	}
	return request
}

// Classic returns the request in the dialect of Ganeti 2.6. The test fails if q is none.
func (q Question) Classic(tb testing.TB) *wire.ClassicRequest {
	tb.Helper()
	request := new(wire.ClassicRequest)
	if err := request.Decode(jx.DecodeStr(q.Text())); err != nil {
		tb.Fatalf("%.200s: %v", q, err)
	}
	return request
}
