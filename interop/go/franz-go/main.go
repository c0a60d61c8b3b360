// franz-go, as interop/lib/clients.py describes a driver.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	. "barnabas/interop/driverside"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(os.Args[1])}, options...)...)
}

func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

func create(command Command) (Event, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := soon()
	defer cancel()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, command.Partitions, 1, nil, command.Topic)
	return nil, err
}

func partitions(command Command) (Event, error) {
	cl, err := client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := soon()
	defer cancel()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, command.Topic)
	if err != nil {
		return nil, err
	}
	return Event{"count": len(topics[command.Topic].Partitions)}, topics[command.Topic].Err
}

func produce(command Command) (Event, error) {
	cl, err := client(kgo.ProducerBatchCompression(codecs[command.Codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var rows []*kgo.Record
	for _, each := range command.Records {
		row := &kgo.Record{Topic: command.Topic, Partition: each.Partition, Key: Plain(each.Key), Value: Plain(each.Value)}
		for _, header := range each.Headers {
			row.Headers = append(row.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		rows = append(rows, row)
	}
	ctx, cancel := soon()
	defer cancel()
	return nil, cl.ProduceSync(ctx, rows...).FirstErr()
}

var producers = map[string]*kgo.Client{}

func transactional(id string) (*kgo.Client, error) {
	if producers[id] != nil {
		return producers[id], nil
	}
	cl, err := client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err == nil {
		producers[id] = cl
	}
	return cl, err
}

func transact(command Command) (Event, error) {
	cl, err := transactional(command.ID)
	if err != nil {
		return nil, err
	}
	if err := cl.BeginTransaction(); err != nil {
		return nil, err
	}
	var rows []*kgo.Record
	for _, each := range command.Records {
		rows = append(rows, &kgo.Record{Topic: command.Topic, Partition: each.Partition, Key: Plain(each.Key), Value: Plain(each.Value)})
	}
	ctx, cancel := soon()
	defer cancel()
	if err := cl.ProduceSync(ctx, rows...).FirstErr(); err != nil {
		return nil, err
	}
	return nil, cl.EndTransaction(ctx, kgo.TransactionEndTry(command.Commit))
}

func say(row *kgo.Record) {
	record := Record{Partition: row.Partition, Offset: row.Offset, Key: Bytes(row.Key), Value: Bytes(row.Value)}
	for _, header := range row.Headers {
		record.Headers = append(record.Headers, Header{Name: header.Key, Value: header.Value})
	}
	Say(Event{"record": record})
}

func consume(command Command) (Event, error) {
	starts := map[int32]kgo.Offset{}
	for partition := int32(0); partition < command.Partitions; partition++ {
		starts[partition] = kgo.NewOffset().AtStart()
	}
	cl, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{command.Topic: starts}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := soon()
	defer cancel()
	for count := 0; count < command.Count; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(row *kgo.Record) {
			say(row)
			count++
		})
	}
	return nil, nil
}

// member is a consumer whose partitions come and go one by one (cooperative-sticky, the library's default).
type member struct {
	client   *kgo.Client
	mutex    sync.Mutex
	assigned map[int32]bool
	stopped  chan struct{}
}

var joined *member

func (m *member) change(topic string, add bool) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		for _, partition := range parts[topic] {
			if add {
				m.assigned[partition] = true
			} else {
				delete(m.assigned, partition)
			}
		}
		all := []int32{}
		for partition := range m.assigned {
			all = append(all, partition)
		}
		sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
		Say(Event{"assigned": all})
	}
}

func (m *member) poll() {
	for {
		fetches := m.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			close(m.stopped)
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			Fail(fmt.Errorf("%s-%d: %w", topic, partition, err))
		})
		fetches.EachRecord(say)
	}
}

func join(command Command) (Event, error) {
	m := &member{assigned: map[int32]bool{}, stopped: make(chan struct{})}
	topic := command.Topic
	options := []kgo.Opt{kgo.ConsumerGroup(command.Group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(500 * time.Millisecond),
		kgo.SessionTimeout(10 * time.Second), kgo.OnPartitionsAssigned(m.change(topic, true)),
		kgo.OnPartitionsRevoked(m.change(topic, false)), kgo.OnPartitionsLost(m.change(topic, false))}
	if os.Getenv("GROUP_ASSIGNOR") == "roundrobin" {
		options = append(options, kgo.Balancers(kgo.RoundRobinBalancer()))
	}
	cl, err := client(options...)
	if err != nil {
		return nil, err
	}
	m.client = cl
	joined = m
	go m.poll()
	return nil, nil
}

func commit(Command) (Event, error) {
	ctx, cancel := soon()
	defer cancel()
	return nil, joined.client.CommitUncommittedOffsets(ctx)
}

func leave(Command) (Event, error) {
	joined.client.Close()
	<-joined.stopped
	return nil, nil
}

func main() {
	Serve(map[string]Verb{"create": create, "partitions": partitions, "produce": produce, "transact": transact, "consume": consume,
		"join": join, "commit": commit, "leave": leave})
}
