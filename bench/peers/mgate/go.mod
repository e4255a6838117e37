module thingward/bench/mgate

go 1.22.7

require (
	github.com/absmach/mgate v0.4.5
	github.com/caarlos0/env/v11 v11.2.2
	golang.org/x/sync v0.8.0
)

require (
	github.com/eclipse/paho.mqtt.golang v1.5.0 // indirect
	golang.org/x/crypto v0.27.0 // indirect
)
