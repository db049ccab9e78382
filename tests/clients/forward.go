package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

type forwardedPort struct {
	Local  uint16 `json:"local"`
	Remote uint16 `json:"remote"`
}

type forwardResult struct {
	Error string `json:"error"`
	Log   string `json:"log"`
}

// upgradeFailed says when kubectl tries SPDY after WebSocket.
func upgradeFailed(err error) bool {
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// portForward answers the ports once it listens, forwards until our stdin ends or the connection
// is lost, and answers how it ended.
func portForward(arguments []string) {
	var to target
	flags := flag.NewFlagSet("portforward", flag.ExitOnError)
	to.register(flags)
	ports := flags.String("ports", "", "LOCAL:REMOTE, with commas between them; LOCAL 0 is any")
	_ = flags.Parse(arguments)

	ctx, cancel := context.WithTimeout(context.Background(), to.timeout)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	dialer, err := to.dialer()
	if err != nil {
		fail(err)
	}
	ready := make(chan struct{})
	var log bytes.Buffer
	forwarder, err := portforward.NewForStreaming(
		dialer, strings.Split(*ports, ","), ctx.Done(), ready, io.Discard, &log)
	if err != nil {
		fail(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
		answer(map[string]any{"ports": listening(forwarder)})
		err = <-ended
	case err = <-ended:
	}
	result := forwardResult{Log: log.String()}
	if err != nil {
		result.Error = err.Error()
	}
	answer(result)
}

func listening(forwarder *portforward.PortForwarder) []forwardedPort {
	ports, err := forwarder.GetPorts()
	if err != nil {
		fail(err)
	}
	list := []forwardedPort{}
	for _, port := range ports {
		list = append(list, forwardedPort{port.Local, port.Remote})
	}
	return list
}

func (t *target) dialer() (httpstream.Dialer, error) {
	switch t.transport {
	case "spdy":
		return t.spdyDialer()
	case "websocket":
		return portforward.NewSPDYOverWebsocketDialerForStreaming(parsed(t.url), t.config())
	case "fallback":
		first, err := portforward.NewSPDYOverWebsocketDialerForStreaming(parsed(t.url), t.config())
		if err != nil {
			return nil, err
		}
		second, err := t.spdyDialer()
		if err != nil {
			return nil, err
		}
		return portforward.NewFallbackDialerForStreaming(first, second, upgradeFailed), nil
	}
	return nil, fmt.Errorf("-transport %s is not known", t.transport)
}

func (t *target) spdyDialer() (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(t.config())
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport}
	return spdy.NewDialerForStreaming(upgrader, client, "POST", parsed(t.spdyURL())), nil
}
