// The MQTT proxy of mGate with a handler that allows everything and says nothing: mGate at its fastest. With -log its own
// example handler, which writes a line for every hook.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"log/slog"
	"os"

	"github.com/absmach/mgate"
	"github.com/absmach/mgate/examples/simple"
	"github.com/absmach/mgate/pkg/mqtt"
	"github.com/absmach/mgate/pkg/session"
	"github.com/caarlos0/env/v11"
	"golang.org/x/sync/errgroup"
)

type allow struct{}

func (allow) AuthConnect(context.Context) error                   { return nil }
func (allow) AuthPublish(context.Context, *string, *[]byte) error { return nil }
func (allow) AuthSubscribe(context.Context, *[]string) error      { return nil }
func (allow) Connect(context.Context) error                       { return nil }
func (allow) Publish(context.Context, *string, *[]byte) error     { return nil }
func (allow) Subscribe(context.Context, *[]string) error          { return nil }
func (allow) Unsubscribe(context.Context, *[]string) error        { return nil }
func (allow) Disconnect(context.Context) error                    { return nil }

func main() {
	logs := flag.Bool("log", false, "write a line for every hook")
	flag.Parse()
	group, ctx := errgroup.WithContext(context.Background())
	logger := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))
	var handler session.Handler = allow{}
	if *logs {
		logger = slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
		handler = simple.New(logger)
	}
	for _, prefix := range []string{"MGATE_MQTT_WITHOUT_TLS_", "MGATE_MQTT_WITH_TLS_"} {
		config, err := mgate.NewConfig(env.Options{Prefix: prefix})
		if err != nil {
			log.Fatal(err)
		}
		proxy := mqtt.New(config, handler, nil, logger)
		group.Go(func() error { return proxy.Listen(ctx) })
	}
	log.Fatal(group.Wait())
}
