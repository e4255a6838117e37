package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/absmach/mgate/pkg/session"
)

const mostKept = 10_000

var errDenied = errors.New("denied by Thingward")

type handler struct {
	url, key string
	client   *http.Client
	mutex    sync.Mutex
	kept     map[string]time.Time
}

func newHandler(url, key string) *handler {
	client := &http.Client{
		Timeout:       2 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &handler{url: url, key: key, client: client, kept: map[string]time.Time{}}
}

// ask returns nil only for an answer that allows. A yes is kept for exactly the same question, until validUntil; logins are always asked about.
func (h *handler) ask(ctx context.Context, action string, topics []string) error {
	s, ok := session.FromContext(ctx)
	if !ok {
		return errDenied
	}
	question := map[string]any{"action": action, "clientId": s.ID, "username": s.Username, "password": string(s.Password), "topics": topics}
	if len(s.Cert.Raw) > 0 {
		print := sha256.Sum256(s.Cert.Raw)
		question["fingerprint"] = hex.EncodeToString(print[:])
	}
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	h.mutex.Lock()
	until := h.kept[string(body)]
	h.mutex.Unlock()
	if action != "connect" && time.Now().Before(until) {
		return nil
	}
	until, err = h.send(ctx, body)
	if err != nil {
		return err
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if len(h.kept) >= mostKept {
		h.kept = map[string]time.Time{}
	}
	h.kept[string(body)] = until
	return nil
}

func (h *handler) send(ctx context.Context, body []byte) (until time.Time, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return until, err
	}
	request.Header.Set("Authorization", "Bearer "+h.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := h.client.Do(request)
	if err != nil {
		return until, err
	}
	defer response.Body.Close()
	var answer struct {
		Decision   string    `json:"decision"`
		ValidUntil time.Time `json:"validUntil"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&answer); err != nil {
		return until, err
	}
	if response.StatusCode != http.StatusOK || answer.Decision != "allow" {
		return until, errDenied
	}
	return answer.ValidUntil, nil
}

func (h *handler) AuthConnect(ctx context.Context) error {
	if s, ok := session.FromContext(ctx); ok && s.ID == "" {
		return nil // HTTP and CoAP have no client id: their topic is asked about next.
	}
	return h.ask(ctx, "connect", nil)
}

func (h *handler) AuthPublish(ctx context.Context, topic *string, payload *[]byte) error {
	return h.ask(ctx, "publish", []string{*topic})
}

// AuthSubscribe is called for each message that is delivered too, with its topic: so a topic must be one to receive as well.
func (h *handler) AuthSubscribe(ctx context.Context, topics *[]string) error {
	if err := h.ask(ctx, "subscribe", *topics); err != nil {
		return err
	}
	var plain []string
	for _, topic := range *topics {
		if !strings.ContainsAny(topic, "+#") {
			plain = append(plain, topic)
		}
	}
	if len(plain) == 0 {
		return nil
	}
	return h.ask(ctx, "receive", plain)
}

func (h *handler) Connect(context.Context) error                   { return nil }
func (h *handler) Publish(context.Context, *string, *[]byte) error { return nil }
func (h *handler) Subscribe(context.Context, *[]string) error      { return nil }
func (h *handler) Unsubscribe(context.Context, *[]string) error    { return nil }
func (h *handler) Disconnect(context.Context) error                { return nil }
