// Package driverside is the half of the driver protocol (lib/clients.py) that Go drivers share.
package driverside

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// Record as it is said; Go's JSON writes byte slices in base64, nil as null.
type Record struct {
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Key       *[]byte  `json:"key"`
	Value     *[]byte  `json:"value"`
	Headers   []Header `json:"headers"`
}

// Header is a name and a value, an array of two in JSON.
type Header struct {
	Name  string
	Value []byte
}

// MarshalJSON writes [name, value].
func (h Header) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{h.Name, h.Value})
}

// UnmarshalJSON reads [name, value].
func (h *Header) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&h.Name, &h.Value})
}

// Bytes keeps nil and empty apart.
func Bytes(value []byte) *[]byte {
	if value == nil {
		return nil
	}
	return &value
}

// Plain is the way back.
func Plain(value *[]byte) []byte {
	if value == nil {
		return nil
	}
	return *value
}

// Command holds the fields of all commands.
type Command struct {
	Do         string   `json:"do"`
	Topic      string   `json:"topic"`
	Group      string   `json:"group"`
	Codec      string   `json:"codec"`
	Partitions int32    `json:"partitions"`
	Count      int      `json:"count"`
	Records    []Record `json:"records"`
	ID         string   `json:"id"`
	Commit     bool     `json:"commit"`
	Offset     int64    `json:"offset"`
}

// Event is any object that is said.
type Event map[string]any

var mutex sync.Mutex

// Say writes one event.
func Say(event Event) {
	line, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Println(string(line))
}

// Fail says what went wrong and ends the process.
func Fail(err error) {
	Say(Event{"error": err.Error()})
	os.Exit(1)
}

// Verb carries out one command; what it returns is added to the answer.
type Verb func(Command) (Event, error)

// Serve obeys commands until the input ends.
func Serve(verbs map[string]Verb) {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		var command Command
		if err := json.Unmarshal(line, &command); err != nil {
			Fail(err)
		}
		answer, err := verbs[command.Do](command)
		if err != nil {
			Fail(err)
		}
		if answer == nil {
			answer = Event{}
		}
		answer["done"] = command.Do
		Say(answer)
	}
}
