package main

import (
	"context"
	"log"
	"net"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

type five struct {
	*paho.Client
	isPresent bool
	messages  chan message
	socket    net.Conn
}

func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 60*time.Second)
}

func openFive(asked options) client {
	socket, err := net.Dial("tcp", "127.0.0.1:"+asked.port)
	if err != nil {
		log.Fatal(err)
	}
	opened := &five{messages: make(chan message, 100), socket: socket}
	opened.Client = paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(socket),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(received paho.PublishReceived) (bool, error) {
			opened.messages <- messageOf(received.Packet)
			return true, nil
		}},
	})
	connect := &paho.Connect{
		ClientID: asked.id, CleanStart: asked.clean, KeepAlive: 60,
		UsernameFlag: true, Username: "u", PasswordFlag: true, Password: []byte(asked.password),
	}
	if !asked.clean {
		expiry := uint32(600)
		connect.Properties = &paho.ConnectProperties{SessionExpiryInterval: &expiry}
	}
	if asked.will != "" {
		connect.WillMessage = &paho.WillMessage{Topic: asked.will, Payload: []byte("gone"), QoS: 1}
	}
	ctx, cancel := soon()
	defer cancel()
	answer, err := opened.Connect(ctx, connect)
	if err != nil {
		log.Fatal(err)
	}
	opened.isPresent = answer.SessionPresent
	return opened
}

func messageOf(packet *paho.Publish) message {
	said := &fiveProperties{response: packet.Properties.ResponseTopic, content: packet.Properties.ContentType}
	said.correlate = string(packet.Properties.CorrelationData)
	for _, each := range packet.Properties.User {
		said.user = append(said.user, each.Key+"="+each.Value)
	}
	return message{topic: packet.Topic, qos: packet.QoS, retain: packet.Retain, payload: packet.Payload, five: said}
}

func (each *five) present() bool       { return each.isPresent }
func (each *five) heard() chan message { return each.messages }
func (each *five) leave()              { _ = each.Disconnect(&paho.Disconnect{ReasonCode: 0}) }
func (each *five) fail()               { _ = each.socket.Close() }

func (each *five) subscribe(topic string, qos byte) byte {
	ctx, cancel := soon()
	defer cancel()
	answer, err := each.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: qos}}})
	if err != nil {
		log.Fatal(err)
	}
	return answer.Reasons[0]
}

func (each *five) unsubscribe(topic string) {
	ctx, cancel := soon()
	defer cancel()
	if _, err := each.Unsubscribe(ctx, &paho.Unsubscribe{Topics: []string{topic}}); err != nil {
		log.Fatal(err)
	}
}

func (each *five) publish(topic string, payload []byte, qos byte, retain bool, properties bool) {
	sent := &paho.Publish{Topic: topic, Payload: payload, QoS: qos, Retain: retain}
	if properties {
		sent.Properties = &paho.PublishProperties{
			ResponseTopic: letter + "/answer", CorrelationData: []byte("77"), ContentType: "text/plain",
		}
		sent.Properties.User.Add("k", "1").Add("k", "2").Add("a", "3")
	}
	ctx, cancel := soon()
	defer cancel()
	if _, err := each.Publish(ctx, sent); err != nil {
		log.Fatal(err)
	}
}
