package main

import (
	"log"
	"net"
	"net/url"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

type three struct {
	mqtt.Client
	isPresent bool
	messages  chan message
	socket    net.Conn
}

func finish(token mqtt.Token) mqtt.Token {
	token.Wait()
	if token.Error() != nil {
		log.Fatal(token.Error())
	}
	return token
}

func openThree(asked options) client {
	opened := &three{messages: make(chan message, 100)}
	wanted := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:" + asked.port).SetClientID(asked.id)
	wanted.SetUsername("u").SetPassword(asked.password).SetCleanSession(asked.clean).SetProtocolVersion(4)
	wanted.SetAutoReconnect(false).SetOrderMatters(true)
	wanted.SetDefaultPublishHandler(func(_ mqtt.Client, heard mqtt.Message) {
		opened.messages <- message{topic: heard.Topic(), qos: heard.Qos(), retain: heard.Retained(), payload: heard.Payload()}
	})
	wanted.SetCustomOpenConnectionFn(func(_ *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		socket, err := net.Dial("tcp", "127.0.0.1:"+asked.port)
		opened.socket = socket
		return socket, err
	})
	if asked.will != "" {
		wanted.SetWill(asked.will, "gone", 1, false)
	}
	opened.Client = mqtt.NewClient(wanted)
	opened.isPresent = finish(opened.Connect()).(*mqtt.ConnectToken).SessionPresent()
	return opened
}

func (each *three) present() bool       { return each.isPresent }
func (each *three) heard() chan message { return each.messages }
func (each *three) leave()              { each.Disconnect(100) }
func (each *three) fail()               { _ = each.socket.Close() }

func (each *three) subscribe(topic string, qos byte) byte {
	return finish(each.Subscribe(topic, qos, nil)).(*mqtt.SubscribeToken).Result()[topic]
}

func (each *three) unsubscribe(topic string) { finish(each.Unsubscribe(topic)) }

func (each *three) publish(topic string, payload []byte, qos byte, retain bool, _ bool) {
	finish(each.Publish(topic, qos, retain, payload))
}
