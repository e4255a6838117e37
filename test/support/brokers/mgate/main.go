// mGate in front of a broker, with the handler of its guide.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/absmach/mgate"
	"github.com/absmach/mgate/pkg/mqtt"
)

func main() {
	config := mgate.Config{Address: os.Getenv("ADDRESS"), Target: os.Getenv("TARGET")}
	handler := newHandler(os.Getenv("THINGWARD_URL"), os.Getenv("THINGWARD_KEY"))
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := mqtt.New(config, handler, nil, logger).Listen(context.Background()); err != nil {
		logger.Error(err.Error())
		os.Exit(1)
	}
}
