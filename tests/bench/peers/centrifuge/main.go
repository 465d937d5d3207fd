// A small server on the Centrifuge library: the core of Centrifugo, whose own module is not to be had.
//
// Anonymous sessions may subscribe and publish, as in a chat. Nothing is set that the library does not set by itself,
// but what the options below ask for: so it is measured as it is shipped.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
)

type options struct {
	listen      string
	redis       string
	historySize int
	historyTTL  time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8000", "address to listen at")
	flag.StringVar(&o.redis, "redis", "memory", "address of Redis, or the word memory")
	flag.IntVar(&o.historySize, "history-size", 0, "publications that a channel keeps; 0 = no history, no recovery")
	flag.DurationVar(&o.historyTTL, "history-ttl", 0, "how long a channel keeps them; 0 = no history, no recovery")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q is no option; -help lists them", flag.Arg(0))
	}
	if (o.historySize > 0) != (o.historyTTL > 0) || o.historySize < 0 || o.historyTTL < 0 {
		log.Fatal("-history-size and -history-ttl belong together: give both above 0, or neither")
	}
	if err := serve(o); err != nil {
		log.Fatal(err)
	}
}

func serve(o options) error {
	// Without a log level nothing is logged.
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	if o.redis != "memory" {
		shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: o.redis})
		if err != nil {
			return err
		}
		broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
		if err != nil {
			return err
		}
		node.SetBroker(broker)
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(o.talk)
	if err := node.Run(); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	server := &http.Server{Addr: o.listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// talk says what a session may do: subscribe anywhere, and publish anywhere.
func (o options) talk(client *centrifuge.Client) {
	client.OnSubscribe(func(_ centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
		answer(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EnableRecovery: o.historySize > 0}}, nil)
	})
	client.OnPublish(func(event centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
		// Who said it goes along, as it does in Centrifugo and in madang.
		answer(centrifuge.PublishReply{Options: centrifuge.PublishOptions{
			HistorySize: o.historySize,
			HistoryTTL:  o.historyTTL,
			ClientInfo:  event.ClientInfo,
		}}, nil)
	})
}
