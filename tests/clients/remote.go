package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
)

// seen is what came on one stream.
type seen struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Head   string `json:"head"` // the first 4096 bytes

	sum   hash.Hash
	head  []byte
	copy  io.Writer
	pause time.Duration // before the first byte is taken
}

func newSeen(copy io.Writer, pause time.Duration) *seen {
	return &seen{sum: sha256.New(), copy: copy, pause: pause}
}

func (s *seen) Write(data []byte) (int, error) {
	if s.Bytes == 0 {
		time.Sleep(s.pause)
	}
	s.Bytes += int64(len(data))
	s.sum.Write(data)
	if room := 4096 - len(s.head); room > 0 {
		s.head = append(s.head, data[:min(room, len(data))]...)
	}
	return s.copy.Write(data)
}

func (s *seen) finish() *seen {
	s.SHA256 = hex.EncodeToString(s.sum.Sum(nil))
	s.Head = string(s.head)
	return s
}

// sizes is the terminal's: the ones listed, some time apart, then no more.
type sizes struct {
	context context.Context
	list    []remotecommand.TerminalSize
	every   time.Duration
	next    int
}

func parseSizes(ctx context.Context, text string, every time.Duration) *sizes {
	queue := &sizes{context: ctx, every: every}
	for _, item := range strings.Split(text, ",") {
		var size remotecommand.TerminalSize
		if _, err := fmt.Sscanf(item, "%dx%d", &size.Width, &size.Height); err != nil {
			fail(fmt.Errorf("-resize %s: %w", item, err))
		}
		queue.list = append(queue.list, size)
	}
	return queue
}

func (q *sizes) Next() *remotecommand.TerminalSize {
	if q.next >= len(q.list) {
		<-q.context.Done()
		return nil
	}
	if q.next > 0 {
		select {
		case <-q.context.Done():
			return nil
		case <-time.After(q.every):
		}
	}
	q.next++
	return &q.list[q.next-1]
}

type remoteResult struct {
	ExitCode int     `json:"exit_code"` // -1: the status named none
	Error    string  `json:"error"`
	Stdout   *seen   `json:"stdout"`
	Stderr   *seen   `json:"stderr"`
	Seconds  float64 `json:"seconds"`
}

func remoteCommand(arguments []string) {
	var to target
	flags := flag.NewFlagSet("exec", flag.ExitOnError)
	to.register(flags)
	stdin := flags.Bool("stdin", false, "send what comes on our stdin, and its end")
	tty := flags.Bool("tty", false, "the server was asked for a terminal: no stderr, but sizes")
	noStdout := flags.Bool("no-stdout", false, "do not ask for stdout")
	noStderr := flags.Bool("no-stderr", false, "do not ask for stderr")
	stdoutFile := flags.String("stdout-file", os.DevNull, "write stdout there too, as it comes")
	live := flags.Bool("live", false, "write stdout to our stderr too, as it comes")
	pause := flags.Duration("stdout-pause", 0, "take nothing from stdout for so long")
	resize := flags.String("resize", "", "sizes of the terminal: 80x24,120x40")
	every := flags.Duration("resize-every", 100*time.Millisecond, "time between two of them")
	_ = flags.Parse(arguments)

	ctx, cancel := context.WithTimeout(context.Background(), to.timeout)
	defer cancel()
	sink, err := os.OpenFile(*stdoutFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		fail(err)
	}
	defer sink.Close()
	var copies io.Writer = sink
	if *live {
		copies = io.MultiWriter(sink, os.Stderr)
	}

	stdout, stderr := newSeen(copies, *pause), newSeen(io.Discard, 0)
	options := remotecommand.StreamOptions{Tty: *tty}
	if *stdin {
		options.Stdin = os.Stdin
	}
	if !*noStdout {
		options.Stdout = stdout
	}
	if !*noStderr && !*tty {
		options.Stderr = stderr
	}
	if *resize != "" {
		options.TerminalSizeQueue = parseSizes(ctx, *resize, *every)
	}

	executor, err := to.executor()
	if err != nil {
		fail(err)
	}
	began := time.Now()
	err = executor.StreamWithContext(ctx, options)
	result := remoteResult{Seconds: time.Since(began).Seconds()}
	result.ExitCode, result.Error = judge(err)
	result.Stdout, result.Stderr = stdout.finish(), stderr.finish()
	answer(result)
}

func judge(err error) (int, string) {
	var exited exec.CodeExitError
	switch {
	case err == nil:
		return 0, ""
	case errors.As(err, &exited):
		return exited.Code, err.Error()
	default:
		return -1, err.Error()
	}
}

func (t *target) executor() (remotecommand.Executor, error) {
	switch t.transport {
	case "spdy":
		return t.spdyExecutor()
	case "websocket":
		return t.webSocketExecutor()
	case "fallback":
		first, err := t.webSocketExecutor()
		if err != nil {
			return nil, err
		}
		second, err := t.spdyExecutor()
		if err != nil {
			return nil, err
		}
		return remotecommand.NewFallbackExecutor(first, second, upgradeFailed)
	}
	return nil, fmt.Errorf("-transport %s is not known", t.transport)
}

func (t *target) spdyExecutor() (remotecommand.Executor, error) {
	location := parsed(t.spdyURL())
	offers := t.offers()
	if offers == nil {
		return remotecommand.NewSPDYExecutor(t.config(), "POST", location)
	}
	transport, upgrader, err := spdy.RoundTripperFor(t.config())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewSPDYExecutorForProtocols(transport, upgrader, "POST", location, offers...)
}

func (t *target) webSocketExecutor() (remotecommand.Executor, error) {
	if offers := t.offers(); offers != nil && t.transport == "websocket" {
		return remotecommand.NewWebSocketExecutorForProtocols(t.config(), "GET", t.url, offers...)
	}
	return remotecommand.NewWebSocketExecutor(t.config(), "GET", t.url)
}
