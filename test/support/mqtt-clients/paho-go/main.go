// Command paho-go is the list of actions of a real client, by Eclipse Paho for Go. It prints what came of each as JSON.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sort"
	"strings"
	"time"
)

// message is what a subscriber heard.
type message struct {
	topic   string
	qos     byte
	retain  bool
	payload []byte
	five    *fiveProperties
}

// fiveProperties are those of MQTT 5 that the list of actions looks at.
type fiveProperties struct {
	user                         []string
	response, content, correlate string
}

// client is what both libraries do, each in its own way.
type client interface {
	present() bool
	subscribe(topic string, qos byte) byte
	unsubscribe(topic string)
	publish(topic string, payload []byte, qos byte, retain bool, properties bool)
	heard() chan message
	leave()
	fail()
}

type options struct {
	port, password, id, will string
	clean                    bool
}

var letter string

func shown(heard message) string {
	payload := string(heard.payload)
	if len(payload) >= 100 {
		payload = fmt.Sprintf("%d octets", len(payload))
	}
	retain := ""
	if heard.retain {
		retain = " retain"
	}
	return strings.ReplaceAll(fmt.Sprintf("%s q%d%s %s", heard.topic, heard.qos, retain, payload), letter, "~")
}

func take(from client, count int) []message {
	taken := []message{}
	for len(taken) < count {
		select {
		case heard := <-from.heard():
			taken = append(taken, heard)
		case <-time.After(60 * time.Second):
			log.Fatal("what was waited for never came")
		}
	}
	return taken
}

func lines(messages []message) []string {
	all := []string{}
	for _, each := range messages {
		all = append(all, shown(each))
	}
	sort.Strings(all)
	return all
}

func main() {
	port, password, five := os.Args[1], os.Args[2], os.Args[3] == "5"
	letter = os.Args[4]
	open := func(name string, clean bool, will string) client {
		asked := options{port: port, password: password, id: letter + name, will: will, clean: clean}
		if five {
			return openFive(asked)
		}
		return openThree(asked)
	}
	done := map[string]any{}
	publisher, subscriber := open("-pub", true, ""), open("-sub", false, "")
	topic := func(name string) string { return letter + name }
	done["connect"] = []bool{publisher.present(), subscriber.present()}
	// Two requests, because the libraries keep no order among the filters of one.
	done["subscribe"] = []int{int(subscriber.subscribe(topic("/a/#"), 2)), int(subscriber.subscribe(topic("/+/q1"), 1))}
	for qos := byte(0); qos < 3; qos++ {
		publisher.publish(topic("/a/x"), fmt.Appendf(nil, "m%d", qos), qos, false, false)
	}
	done["receive"] = lines(take(subscriber, 3))
	publisher.publish(topic("/a/x"), bytes.Repeat([]byte("x"), 200_000), 1, false, false)
	sum := 0
	large := take(subscriber, 1)[0]
	for _, octet := range large.payload {
		sum += int(octet)
	}
	done["large"] = []int{len(large.payload), sum}
	publisher.publish(topic("/r/1"), []byte("kept"), 1, true, false)
	late := open("-late", true, "")
	late.subscribe(topic("/r/#"), 1)
	done["retained"] = lines(take(late, 1))
	publisher.publish(topic("/r/1"), nil, 1, true, false)
	late.leave()
	subscriber.unsubscribe(topic("/a/#"))
	publisher.publish(topic("/a/x"), []byte("unheard"), 1, false, false)
	publisher.publish(topic("/b/q1"), []byte("marker"), 1, false, false)
	done["unsubscribe"] = lines(take(subscriber, 1))
	subscriber.leave()
	publisher.publish(topic("/b/q1"), []byte("away 1"), 1, false, false)
	publisher.publish(topic("/b/q1"), []byte("away 2"), 2, false, false)
	subscriber = open("-sub", false, "")
	done["session"] = []any{subscriber.present(), lines(take(subscriber, 2))}
	open("-will", true, topic("/b/q1")).fail()
	done["will"] = lines(take(subscriber, 1))
	if five {
		publisher.publish(topic("/b/q1"), []byte("asked"), 1, false, true)
		said := take(subscriber, 1)[0].five
		done["properties"] = []any{said.user, strings.ReplaceAll(said.response, letter, "~"), said.correlate, said.content}
		done["shared"] = shared(open, publisher)
	}
	subscriber.leave()
	// The session is forgotten.
	open("-sub", true, "").leave()
	publisher.leave()
	said, err := json.Marshal(done)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(said))
}

func shared(open func(string, bool, string) client, publisher client) []string {
	members := []client{open("-one", true, ""), open("-two", true, "")}
	for _, member := range members {
		member.subscribe("$share/g/"+letter+"/s/#", 1)
	}
	for nth := range 6 {
		publisher.publish(letter+"/s/x", fmt.Appendf(nil, "s%d", nth), 1, false, false)
	}
	all := []message{}
	for len(all) < 6 {
		select {
		case heard := <-members[0].heard():
			all = append(all, heard)
		case heard := <-members[1].heard():
			all = append(all, heard)
		case <-time.After(60 * time.Second):
			log.Fatal("a shared message never came")
		}
	}
	for _, member := range members {
		member.leave()
	}
	return lines(all)
}
