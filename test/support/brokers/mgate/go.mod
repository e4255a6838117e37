module thingward/mgate

go 1.25

require github.com/absmach/mgate v0.4.5

require (
	github.com/caarlos0/env/v11 v11.2.2 // indirect
	github.com/eclipse/paho.mqtt.golang v1.5.0 // indirect
	golang.org/x/crypto v0.27.0 // indirect
	golang.org/x/sync v0.8.0 // indirect
)
