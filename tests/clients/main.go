// Command clients is the other end of the streaming tests: the exec, attach and port-forward
// clients of kubectl, told by flags what to do, answering in JSON what they saw.
//
//	clients exec|attach -url URL [-transport spdy|websocket|fallback] [-stdin] [-tty] ...
//	clients portforward -url URL [-transport ...] -ports 0:80,0:90
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// target is what the flags common to all sub-commands say.
type target struct {
	url         string
	fallbackURL string
	transport   string
	protocols   string
	ca          string
	timeout     time.Duration
}

func (t *target) register(flags *flag.FlagSet) {
	flags.StringVar(&t.url, "url", "", "where to connect, as the runtime answered it")
	flags.StringVar(&t.fallbackURL, "fallback-url", "", "another one for the second try of -transport fallback")
	flags.StringVar(&t.transport, "transport", "spdy", "spdy, websocket, or fallback: websocket, then spdy")
	flags.StringVar(&t.protocols, "protocols", "", "offer these, with commas between them, instead of the usual")
	flags.StringVar(&t.ca, "ca", "", "a file with the certificate to trust")
	flags.DurationVar(&t.timeout, "timeout", time.Minute, "go away after this long")
}

func (t *target) config() *rest.Config {
	return &rest.Config{TLSClientConfig: rest.TLSClientConfig{CAFile: t.ca}}
}

func (t *target) offers() []string {
	if t.protocols == "" {
		return nil
	}
	return strings.Split(t.protocols, ",")
}

// spdyURL is where SPDY connects: the second URL if there is one, since a URL serves only once.
func (t *target) spdyURL() string {
	if t.transport == "fallback" && t.fallbackURL != "" {
		return t.fallbackURL
	}
	return t.url
}

func parsed(text string) *url.URL {
	location, err := url.Parse(text)
	if err != nil {
		fail(err)
	}
	return location
}

func answer(result any) {
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

// fail is for what the tests did not ask for: wrong flags, not what the server does.
func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("exec, attach or portforward?"))
	}
	switch command := os.Args[1]; command {
	case "exec", "attach":
		remoteCommand(os.Args[2:])
	case "portforward":
		portForward(os.Args[2:])
	default:
		fail(fmt.Errorf("%s: there are exec, attach and portforward", command))
	}
}
