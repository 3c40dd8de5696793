package fuzz

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gntconfd/gen/wire"
	"gntconfd/internal/answer"
	"gntconfd/internal/cluster"
)

// ask puts a question to a book.
func ask(book *answer.Book, q question) (reply, error) {
	value := object{"protocol": 1, "type": int(q.Type), "rsalt": ""}
	if q.Query != nil {
		value["query"] = q.Query
	}
	request := new(wire.Request)
	if err := decodeInto(request, encode(value)); err != nil {
		return reply{}, err
	}
	answered, ok := book.Answer(request, new(answer.Scratch))
	if !ok {
		return reply{}, errors.New("no reply")
	}
	r, err := parseReply(answered.Text)
	if err == nil && r.Status != int(answered.Status) {
		err = fmt.Errorf("status %d for a reply with %d", answered.Status, r.Status)
	}
	return r, err
}

// TestAnswers: for every generated cluster, every question gets the model's answer.
func TestAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clusters().Draw(t, "cluster")
		snapshot, err := cluster.Parse(slices.Clone(c.file))
		if err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
		book := answer.Prepare(snapshot)
		for _, q := range questions(t, c) {
			got, err := ask(book, q)
			if err != nil {
				t.Fatalf("type %d, query %s: %v\n%s", q.Type, encode(q.Query), err, c)
			}
			checkShape(t, q.Type, got)
			compare(t, c, q, got)
		}
	})
}

// checkShape checks an answer against its schema in spec/answers.json.
func checkShape(t rapid.TB, request wire.RequestType, r reply) {
	outcome := "ok"
	if r.Status != 0 {
		outcome = "error"
	}
	if err := schemas.validate("answers.json", object{fmt.Sprint(request): object{outcome: r.Answer}}); err != nil {
		t.Fatalf("type %d: %v\n%s", request, err, encode(r.Answer))
	}
}
