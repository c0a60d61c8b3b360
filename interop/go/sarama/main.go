// sarama, as interop/lib/clients.py describes a driver. SARAMA_VERSION is the Kafka version that it takes the broker for:
// sarama picks its request versions by that, not by what the broker offers.
package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"

	. "barnabas/interop/driverside"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func brokers() []string {
	return []string{os.Args[1]}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	if text := os.Getenv("SARAMA_VERSION"); text != "" {
		version, err := sarama.ParseKafkaVersion(text)
		if err != nil {
			Fail(err)
		}
		c.Version = version
	}
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Flush.Messages = 30
	c.Producer.Flush.Frequency = 20 * time.Millisecond
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 10 * time.Second
	return c
}

func create(command Command) (Event, error) {
	admin, err := sarama.NewClusterAdmin(brokers(), config())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: command.Partitions, ReplicationFactor: 1}
	return nil, admin.CreateTopic(command.Topic, detail, false)
}

func partitions(command Command) (Event, error) {
	client, err := sarama.NewClient(brokers(), config())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	found, err := client.Partitions(command.Topic)
	return Event{"count": len(found)}, err
}

// encoder keeps null and empty apart.
func encoder(value *[]byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(*value)
}

func produce(command Command) (Event, error) {
	c := config()
	c.Producer.Compression = codecs[command.Codec]
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(brokers(), c)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	var rows []*sarama.ProducerMessage
	for _, each := range command.Records {
		row := &sarama.ProducerMessage{Topic: command.Topic, Partition: each.Partition, Key: encoder(each.Key), Value: encoder(each.Value)}
		for _, header := range each.Headers {
			row.Headers = append(row.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		rows = append(rows, row)
	}
	return nil, producer.SendMessages(rows)
}

var producers = map[string]sarama.SyncProducer{}

func transactional(id string) (sarama.SyncProducer, error) {
	if producers[id] != nil {
		return producers[id], nil
	}
	c := config()
	c.Producer.Idempotent = true
	c.Producer.Transaction.ID = id
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer(brokers(), c)
	if err == nil {
		producers[id] = producer
	}
	return producer, err
}

func transact(command Command) (Event, error) {
	producer, err := transactional(command.ID)
	if err != nil {
		return nil, err
	}
	if err := producer.BeginTxn(); err != nil {
		return nil, err
	}
	var rows []*sarama.ProducerMessage
	for _, each := range command.Records {
		rows = append(rows, &sarama.ProducerMessage{Topic: command.Topic, Partition: each.Partition, Key: encoder(each.Key), Value: encoder(each.Value)})
	}
	if err := producer.SendMessages(rows); err != nil {
		return nil, err
	}
	if command.Group != "" {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{
			command.Topic: {{Partition: 0, Offset: command.Offset}},
		}
		if err := producer.AddOffsetsToTxn(offsets, command.Group); err != nil {
			return nil, err
		}
	}
	if command.Commit {
		return nil, producer.CommitTxn()
	}
	return nil, producer.AbortTxn()
}

func say(row *sarama.ConsumerMessage) {
	record := Record{Partition: row.Partition, Offset: row.Offset, Key: Bytes(row.Key), Value: Bytes(row.Value)}
	for _, header := range row.Headers {
		record.Headers = append(record.Headers, Header{Name: string(header.Key), Value: header.Value})
	}
	Say(Event{"record": record})
}

func consume(command Command) (Event, error) {
	c := config()
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(brokers(), c)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	rows := make(chan *sarama.ConsumerMessage)
	for partition := int32(0); partition < command.Partitions; partition++ {
		reader, err := consumer.ConsumePartition(command.Topic, partition, sarama.OffsetOldest)
		if err != nil {
			return nil, err
		}
		defer reader.AsyncClose()
		go func() {
			for row := range reader.Messages() {
				rows <- row
			}
		}()
	}
	for count := 0; count < command.Count; count++ {
		select {
		case row := <-rows:
			say(row)
		case <-time.After(30 * time.Second):
			return nil, errors.New("no record in 30 s")
		}
	}
	return nil, nil
}

// member consumes in sessions, one a generation of the group.
type member struct {
	group   sarama.ConsumerGroup
	topic   string
	cancel  context.CancelFunc
	stopped chan struct{}
	mutex   sync.Mutex
	session sarama.ConsumerGroupSession
}

var joined *member

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	m.session = session
	m.mutex.Unlock()
	mine := session.Claims()[m.topic]
	if mine == nil {
		mine = []int32{}
	}
	Say(Event{"assigned": mine})
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	Say(Event{"assigned": []int32{}})
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for row := range claim.Messages() {
		session.MarkMessage(row, "")
		say(row)
	}
	return nil
}

func (m *member) run(ctx context.Context) {
	defer close(m.stopped)
	go func() {
		for err := range m.group.Errors() {
			Fail(err)
		}
	}()
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.topic}, m); err != nil && ctx.Err() == nil {
			Fail(err)
		}
	}
}

func join(command Command) (Event, error) {
	group, err := sarama.NewConsumerGroup(brokers(), command.Group, config())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	joined = &member{group: group, topic: command.Topic, cancel: cancel, stopped: make(chan struct{})}
	go joined.run(ctx)
	return nil, nil
}

func commit(Command) (Event, error) {
	joined.mutex.Lock()
	defer joined.mutex.Unlock()
	joined.session.Commit()
	return nil, nil
}

func leave(Command) (Event, error) {
	joined.cancel()
	<-joined.stopped
	return nil, joined.group.Close()
}

func main() {
	Serve(map[string]Verb{"create": create, "partitions": partitions, "produce": produce, "transact": transact, "consume": consume,
		"join": join, "commit": commit, "leave": leave})
}
