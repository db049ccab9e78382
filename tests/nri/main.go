// An NRI plugin on the published Go module. It prints each event as a line of JSON, and answers as a
// file of JSON says. A line on its standard input is a request to update containers.
//
//	plugin -socket PATH -idx NN -name NAME [-answers FILE]
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var printing sync.Mutex

// line prints one line: the event, and messages by their names.
func line(event string, messages map[string]proto.Message) {
	fields := map[string]any{"event": event}
	for name, message := range messages {
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
		if err != nil {
			fields[name] = err.Error()
			continue
		}
		fields[name] = json.RawMessage(text)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(text))
}

type plugin struct {
	answers map[string]json.RawMessage // by the name of the call: a response as JSON
}

// answer fills in the response that the file has for a call.
func (p *plugin) answer(call string, response proto.Message) error {
	text, found := p.answers[call]
	if !found {
		return nil
	}
	return protojson.Unmarshal(text, response)
}

func (p *plugin) pod(event string, pod *api.PodSandbox) error {
	line(event, map[string]proto.Message{"pod": pod})
	return nil
}

func (p *plugin) container(event string, pod *api.PodSandbox, container *api.Container) error {
	line(event, map[string]proto.Message{"pod": pod, "container": container})
	return nil
}

func (p *plugin) Configure(_ context.Context, config, runtime, version string) (api.EventMask, error) {
	text, _ := json.Marshal(map[string]string{"event": "Configure", "config": config, "runtime": runtime, "version": version})
	fmt.Println(string(text))
	return 0, nil
}

func (p *plugin) Synchronize(_ context.Context, pods []*api.PodSandbox, containers []*api.Container) ([]*api.ContainerUpdate, error) {
	ids := map[string][]string{"pods": {}, "containers": {}}
	for _, pod := range pods {
		ids["pods"] = append(ids["pods"], pod.Id)
	}
	size := 0
	for _, container := range containers {
		ids["containers"] = append(ids["containers"], container.Id)
		size += proto.Size(container)
	}
	text, _ := json.Marshal(map[string]any{"event": "Synchronize", "pods": ids["pods"], "containers": ids["containers"], "size": size})
	fmt.Println(string(text))
	response := &api.SynchronizeResponse{}
	err := p.answer("Synchronize", response)
	return response.Update, err
}

func (p *plugin) RunPodSandbox(_ context.Context, pod *api.PodSandbox) error {
	return p.pod("RunPodSandbox", pod)
}

func (p *plugin) UpdatePodSandbox(_ context.Context, pod *api.PodSandbox, _, _ *api.LinuxResources) error {
	return p.pod("UpdatePodSandbox", pod)
}

func (p *plugin) PostUpdatePodSandbox(_ context.Context, pod *api.PodSandbox) error {
	return p.pod("PostUpdatePodSandbox", pod)
}

func (p *plugin) StopPodSandbox(_ context.Context, pod *api.PodSandbox) error {
	return p.pod("StopPodSandbox", pod)
}

func (p *plugin) RemovePodSandbox(_ context.Context, pod *api.PodSandbox) error {
	return p.pod("RemovePodSandbox", pod)
}

func (p *plugin) CreateContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	p.container("CreateContainer", pod, container)
	response := &api.CreateContainerResponse{}
	err := p.answer("CreateContainer", response)
	return response.Adjust, response.Update, err
}

func (p *plugin) PostCreateContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) error {
	return p.container("PostCreateContainer", pod, container)
}

func (p *plugin) StartContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) error {
	return p.container("StartContainer", pod, container)
}

func (p *plugin) PostStartContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) error {
	return p.container("PostStartContainer", pod, container)
}

func (p *plugin) UpdateContainer(_ context.Context, pod *api.PodSandbox, container *api.Container, _ *api.LinuxResources) ([]*api.ContainerUpdate, error) {
	p.container("UpdateContainer", pod, container)
	response := &api.UpdateContainerResponse{}
	err := p.answer("UpdateContainer", response)
	return response.Update, err
}

func (p *plugin) PostUpdateContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) error {
	return p.container("PostUpdateContainer", pod, container)
}

func (p *plugin) StopContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) ([]*api.ContainerUpdate, error) {
	p.container("StopContainer", pod, container)
	response := &api.StopContainerResponse{}
	err := p.answer("StopContainer", response)
	return response.Update, err
}

func (p *plugin) RemoveContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) error {
	return p.container("RemoveContainer", pod, container)
}

func (p *plugin) Shutdown(_ context.Context) {
	line("Shutdown", nil)
}

// serve carries out the lines of the standard input.
func serve(s stub.Stub) {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		request := &api.UpdateContainersRequest{}
		if err := protojson.Unmarshal(lines.Bytes(), request); err != nil {
			panic(err)
		}
		failed, err := s.UpdateContainers(request.Update)
		text := ""
		if err != nil {
			text = err.Error()
		}
		ids := []string{}
		for _, update := range failed {
			ids = append(ids, update.ContainerId)
		}
		answer, _ := json.Marshal(map[string]any{"event": "UpdateContainers", "failed": ids, "error": text})
		fmt.Println(string(answer))
	}
	s.Stop()
}

func main() {
	socket := flag.String("socket", "", "the socket of the runtime; empty: that of the environment")
	idx := flag.String("idx", "", "the index of the plugin")
	name := flag.String("name", "", "its name")
	answers := flag.String("answers", "", "a file of answers")
	flag.Parse()

	p := &plugin{answers: map[string]json.RawMessage{}}
	if *answers != "" {
		text, err := os.ReadFile(*answers)
		if err == nil {
			err = json.Unmarshal(text, &p.answers)
		}
		if err != nil {
			panic(err)
		}
	}
	options := []stub.Option{}
	if *socket != "" {
		options = append(options, stub.WithSocketPath(*socket), stub.WithPluginIdx(*idx), stub.WithPluginName(*name))
	}
	s, err := stub.New(p, options...)
	if err != nil {
		panic(err)
	}
	if err := s.Start(context.Background()); err != nil {
		line(fmt.Sprintf("failed: %v", err), nil)
		os.Exit(1)
	}
	if *socket != "" { // a plugin that the runtime has started gets no input
		go serve(s)
	}
	s.Wait()
}
