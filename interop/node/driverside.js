// The half of the driver protocol (lib/clients.py) that JavaScript drivers share.
'use strict'

const readline = require('node:readline')

const pack = (value) => (value === null || value === undefined ? null : Buffer.from(value).toString('base64'))
const unpack = (text) => (text === null ? null : Buffer.from(text, 'base64'))

function say (event) {
  process.stdout.write(JSON.stringify(event) + '\n')
}

function fail (error) {
  process.stdout.write(JSON.stringify({ error: String((error && error.stack) || error) }) + '\n', () => process.exit(1))
}

// verbs: {create, partitions, produce, transact, consume, join, commit, leave}, each taking the command, each may be async.
async function serve (verbs) {
  process.on('unhandledRejection', fail)
  process.on('uncaughtException', fail)
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    try {
      say({ done: command.do, ...(await verbs[command.do](command)) })
    } catch (error) {
      fail(error)
      return
    }
  }
  process.exit(0)
}

module.exports = { pack, unpack, say, fail, serve }
