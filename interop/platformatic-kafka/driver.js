// @platformatic/kafka, as interop/lib/clients.py describes a driver.
'use strict'

const path = require('node:path')
const { pack, unpack, say, serve } = require('../node/driverside.js')

const base = { clientId: 'interop', bootstrapBrokers: [process.argv[2]] }
let platformatic
let member

const toRecord = (message) => ({
  partition: message.partition,
  offset: Number(message.offset),
  key: pack(message.key),
  value: pack(message.value),
  headers: [...message.headers].map(([name, value]) => [name.toString(), pack(value)])
})

const toMessage = (topic) => (record) => ({
  topic,
  partition: record.partition,
  key: unpack(record.key) ?? undefined,
  value: unpack(record.value) ?? undefined,
  headers: new Map(record.headers.map(([name, value]) => [Buffer.from(name), unpack(value)]))
})

async function withAdmin (job) {
  const admin = new platformatic.Admin(base)
  try {
    return await job(admin)
  } finally {
    await admin.close()
  }
}

async function create ({ topic, partitions }) {
  await withAdmin((admin) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }))
}

async function partitions ({ topic }) {
  const metadata = await withAdmin((admin) => admin.metadata({ topics: [topic], forceUpdate: true }))
  return { count: metadata.topics.get(topic).partitionsCount }
}

async function produce ({ topic, codec, records }) {
  const producer = new platformatic.Producer({ ...base, compression: codec, idempotent: true })
  await producer.send({ messages: records.map(toMessage(topic)) })
  await producer.close()
}

async function consume ({ topic, count }) {
  const consumer = new platformatic.Consumer({ ...base, groupId: `${topic}-reader` })
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', autocommit: false, maxWaitTime: 300 })
  for await (const message of stream) {
    say({ record: toRecord(message) })
    if (--count === 0) {
      break
    }
  }
  await consumer.close(true)
}

async function join ({ group, topic }) {
  const consumer = new platformatic.Consumer({
    ...base,
    groupId: group,
    heartbeatInterval: 500,
    sessionTimeout: 10000,
    autocommit: false,
    maxWaitTime: 300
  })
  const offsets = new Map()
  consumer.on('consumer:group:rebalance', () => say({ assigned: [] }))
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    maxWaitTime: 300
  })
  let mine = []
  // After a rebalance the stream asks for the committed offsets; only then the partitions are really its own.
  const assigned = () => {
    mine = (consumer.assignments || []).filter((each) => each.topic === topic).flatMap((each) => each.partitions)
    for (const partition of offsets.keys()) {
      if (!mine.includes(partition)) {
        offsets.delete(partition)
      }
    }
    say({ assigned: mine })
  }
  stream.on('offsets', assigned)
  // A fetch that was waiting during a rebalance still brings what the member owned before (1.35.0, any broker).
  stream.on('data', (message) => {
    if (!mine.includes(message.partition)) {
      return
    }
    offsets.set(message.partition, message.offset + 1n)
    say({ record: toRecord(message) })
  })
  stream.on('error', (error) => say({ error: String(error.stack) }))
  assigned()
  member = { consumer, topic, offsets }
}

async function commit () {
  const { consumer, topic, offsets } = member
  const rows = [...offsets].map(([partition, offset]) => ({ topic, partition, offset, leaderEpoch: 0 }))
  if (rows.length > 0) {
    await consumer.commit({ offsets: rows })
  }
}

async function leave () {
  await member.consumer.close(true)
}

async function main () {
  platformatic = await import(path.join(process.env.NODE_PATH, '@platformatic/kafka/dist/index.js'))
  await serve({ create, partitions, produce, consume, join, commit, leave })
}

main()
