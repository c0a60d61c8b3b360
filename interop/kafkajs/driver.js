// kafkajs, as interop/lib/clients.py describes a driver. Its codecs beyond gzip are packages of their own.
'use strict'

const { CompressionCodecs, CompressionTypes, Kafka, PartitionAssigners, logLevel } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const zstd = require('@bokuweb/zstd-wasm')
const { pack, unpack, say, serve } = require('../node/driverside.js')

CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => lz4.compressFrameSync(encoder.buffer),
  decompress: async (buffer) => lz4.decompressFrameSync(buffer)
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer))
})

const CODECS = { none: 'None', gzip: 'GZIP', snappy: 'Snappy', lz4: 'LZ4', zstd: 'ZSTD' }
const kafka = new Kafka({ clientId: 'interop', brokers: [process.argv[2]], logLevel: logLevel.WARN })
let member

function toMessage (record) {
  const headers = {}
  for (const [name, value] of record.headers) {
    headers[name] = [...(headers[name] || []), unpack(value)]
  }
  return { partition: record.partition, key: unpack(record.key), value: unpack(record.value), headers }
}

function toRecord (partition, message) {
  const headers = []
  for (const [name, value] of Object.entries(message.headers)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      headers.push([name, pack(one)])
    }
  }
  const { key, value } = message
  return { partition, offset: Number(message.offset), key: pack(key), value: pack(value), headers }
}

async function withAdmin (job) {
  const admin = kafka.admin()
  await admin.connect()
  try {
    return await job(admin)
  } finally {
    await admin.disconnect()
  }
}

async function create ({ topic, partitions }) {
  await withAdmin((admin) => admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true }))
}

async function partitions ({ topic }) {
  return withAdmin(async (admin) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return { count: topics[0].partitions.length }
  })
}

const producers = new Map()

async function transact ({ id, topic, records, commit, group, offset }) {
  if (!producers.has(id)) {
    const producer = kafka.producer({ transactionalId: id, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    producers.set(id, producer)
  }
  const transaction = await producers.get(id).transaction()
  await transaction.send({ topic, messages: records.map(toMessage) })
  if (group) {
    const topics = [{ topic, partitions: [{ partition: 0, offset: String(offset) }] }]
    await transaction.sendOffsets({ consumerGroupId: group, topics })
  }
  await (commit ? transaction.commit() : transaction.abort())
}

async function produce ({ topic, codec, records }) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const compression = CompressionTypes[CODECS[codec]]
  await producer.send({ topic, acks: -1, compression, messages: records.map(toMessage) })
  await producer.disconnect()
}

// kafkajs reads only as a member of a group.
async function consume ({ topic, count }) {
  const consumer = kafka.consumer({ groupId: `${topic}-reader`, maxWaitTimeInMs: 300 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        say({ record: toRecord(partition, message) })
        if (--count === 0) {
          resolve()
        }
      }
    })
  })
  await consumer.disconnect()
}

// Its only assignor has a name of its own; under the name that the others know, it can be in one group with them.
const roundrobin = (setup) => ({ ...PartitionAssigners.roundRobin(setup), name: 'roundrobin' })

async function join ({ group, topic }) {
  const consumer = kafka.consumer({
    groupId: group,
    partitionAssigners: [process.env.GROUP_ASSIGNOR === 'roundrobin' ? roundrobin : PartitionAssigners.roundRobin],
    heartbeatInterval: 500,
    sessionTimeout: 10000,
    maxWaitTimeInMs: 300
  })
  const offsets = new Map()
  consumer.on(consumer.events.REBALANCING, () => say({ assigned: [] }))
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    const assigned = payload.memberAssignment[topic] || []
    for (const partition of offsets.keys()) {
      if (!assigned.includes(partition)) {
        offsets.delete(partition)
      }
    }
    say({ assigned })
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => say({ error: String(payload.error.stack) }))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      offsets.set(partition, Number(message.offset) + 1)
      say({ record: toRecord(partition, message) })
    }
  })
  member = { consumer, topic, offsets }
}

async function commit () {
  const { consumer, topic, offsets } = member
  await consumer.commitOffsets([...offsets].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })))
}

async function leave () {
  await member.consumer.disconnect()
}

zstd.init().then(() => serve({ create, partitions, produce, transact, consume, join, commit, leave }))
