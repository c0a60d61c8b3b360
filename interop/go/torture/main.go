// Transactions without end, through franz-go: BOOTSTRAP SEED INCARNATION WORKLOAD:ID...
//
// What the workers of all languages do and say is written in interop/torture/fleet.py.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 3

var over atomic.Bool

// say writes a line with one call: those of two workers do not mix, and what is said before a kill is said.
func say(event map[string]any) {
	line, _ := json.Marshal(event)
	os.Stdout.Write(append(line, '\n'))
}

func fail(id string, err error) {
	say(map[string]any{"failure": fmt.Sprintf("%s: %v", id, err)})
	os.Exit(3)
}

func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 30*time.Second)
}

func options(id string) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(os.Args[1]), kgo.TransactionalID(id), kgo.TransactionTimeout(6 * time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.MetadataMinAge(100 * time.Millisecond)}
}

func client(id string) *kgo.Client {
	cl, err := kgo.NewClient(options(id)...)
	if err != nil {
		fail(id, err)
	}
	return cl
}

type row [2]any

func appendOnce(cl *kgo.Client, dice *rand.Rand, label string) error {
	var values []row
	var records []*kgo.Record
	for each := 0; each < 1+dice.Intn(4); each++ {
		partition, value := dice.Intn(partitions), fmt.Sprintf("%s/%d", label, each)
		values = append(values, row{partition, value})
		records = append(records, &kgo.Record{Topic: "t", Partition: int32(partition), Value: []byte(value)})
	}
	say(map[string]any{"try": label, "values": values})
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	ctx, cancel := soon()
	defer cancel()
	written := cl.ProduceSync(ctx, records...).FirstErr()
	commit := written == nil && dice.Float64() < 0.8
	if commit {
		say(map[string]any{"ask": label})
	}
	if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	if commit {
		say(map[string]any{"committed": label})
	}
	return nil
}

func appends(id, incarnation string, dice *rand.Rand) {
	cl := client(id)
	for count := 0; !over.Load(); count++ {
		if err := appendOnce(cl, dice, fmt.Sprintf("%s/%s/%d", id, incarnation, count)); err != nil {
			fail(id, err)
		}
	}
}

func moveOnce(session *kgo.GroupTransactSession, queue string, dice *rand.Rand) error {
	ctx, cancel := soon()
	defer cancel()
	poll, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	fetches := session.PollRecords(poll, 1+dice.Intn(10))
	stop()
	if fetches.NumRecords() == 0 {
		return nil
	}
	if err := session.Begin(); err != nil {
		return err
	}
	var records []*kgo.Record
	fetches.EachRecord(func(each *kgo.Record) {
		value := fmt.Sprintf("%d:%d", each.Partition, each.Offset)
		records = append(records, &kgo.Record{Topic: queue + ".out", Partition: int32(each.Offset % 2), Value: []byte(value)})
	})
	written := session.ProduceSync(ctx, records...).FirstErr()
	committed, err := session.End(ctx, kgo.TransactionEndTry(written == nil && dice.Float64() < 0.8))
	if committed {
		say(map[string]any{"moved": len(records)})
	}
	return err
}

func moves(id string, dice *rand.Rand) {
	queue := id[:strings.LastIndex(id, ".")]
	session, err := kgo.NewGroupTransactSession(append(options(id), kgo.ConsumerGroup(queue), kgo.ConsumeTopics(queue+".in"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		fail(id, err)
	}
	for !over.Load() {
		if err := moveOnce(session, queue, dice); err != nil {
			fail(id, err)
		}
	}
	session.Close()
}

func work(task, seed, incarnation string) {
	workload, id, _ := strings.Cut(task, ":")
	sum := fnv.New64()
	sum.Write([]byte(seed + " " + incarnation + " " + task))
	dice := rand.New(rand.NewSource(int64(sum.Sum64())))
	if workload == "append" {
		appends(id, incarnation, dice)
	} else {
		moves(id, dice)
	}
}

func main() {
	var running sync.WaitGroup
	for _, task := range os.Args[4:] {
		running.Add(1)
		go func(task string) {
			work(task, os.Args[2], os.Args[3])
			running.Done()
		}(task)
	}
	io.Copy(io.Discard, os.Stdin)
	over.Store(true)
	running.Wait()
}
