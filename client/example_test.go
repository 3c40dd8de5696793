package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"gntconfd/client"
	"gntconfd/gen/wire"
)

// A daemon that cannot answer says so in its reply; one that does not trust the
// request, or does not run, says nothing.
func ExampleClient_Ask() {
	key, err := os.ReadFile("/var/lib/ganeti/hmac.key")
	if err != nil {
		log.Fatal(err)
	}
	c := client.Client{Server: "node1.example.org", Key: key}

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	reply, err := c.Ask(ctx, wire.RequestNodeRoleByName, wire.NewStringQuery("node2.example.org"))
	switch {
	case errors.Is(err, client.ErrNoReply):
		log.Fatal("is the daemon running, the key right, the clock set? ", err)
	case err != nil:
		log.Fatal(err)
	case reply.Status != wire.StatusOK:
		log.Fatalf("the daemon answers: %s", reply.Answer)
	}
	var role int
	if err := json.Unmarshal(reply.Answer, &role); err != nil {
		log.Fatal(err)
	}
	fmt.Println("offline:", role == wire.NodeRoleOffline)
}
