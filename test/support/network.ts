/**
 * A network of the test's own: one bridge in a namespace, and around it as many hosts (namespaces) as wanted, each with
 * a real address. The test process itself is on it too, so that it can reach the programs' control ports and play peers
 * of its own at further addresses. Needs root. Nothing here reaches outside: there is no route out.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { Child, type StartOptions } from './child.js'
import type { Scope } from './scope.js'

const PREFIX = 'tfs'
const folder = '/var/run/netns'

/** Where a program of a test runs, and the address others reach it at. */
export interface Host {
  readonly name: string
  readonly address: string
  /** Its IPv6 address. */
  readonly address6: string
  readonly namespace: string | undefined
  /** Starts a program there. It ends with the scope of the network. */
  start(command: string, args: readonly string[], options?: Omit<StartOptions, 'namespace'>): Child
}

/** The bridge with all that hangs on it. */
export class Network {
  /** The test process's own address on it. */
  readonly address: string
  readonly #scope: Scope
  readonly #slot: number
  readonly #id: string
  readonly #bridge: string
  readonly #link: string
  #hosts = 0
  #extra = 0

  private constructor(scope: Scope, slot: number) {
    this.#scope = scope
    this.#slot = slot
    this.#id = `${PREFIX}${process.pid}-${slot}`
    this.#bridge = `${this.#id}-bridge`
    this.#link = `${PREFIX}${slot}`
    this.address = `10.213.${slot}.1`
  }

  /** Makes an empty one. It goes, with everything in it, when the scope is closed. */
  static create(scope: Scope): Network {
    sweep()
    for (let slot = 1; slot < 250; slot++) {
      // The name of the link in the shared namespace is the lock: the kernel makes it once only.
      const made = spawnSync('ip', [
        'link',
        'add',
        `${PREFIX}${slot}`,
        'type',
        'veth',
        'peer',
        'name',
        `${PREFIX}${slot}p`,
      ])
      if (made.status !== 0) {
        if (existsSync(`/sys/class/net/${PREFIX}${slot}`)) continue
        throw new Error(`cannot make network links: ${made.stderr.toString()}`)
      }
      const network = new Network(scope, slot)
      const remove = (): void => network.#remove()
      scope.defer(remove, remove)
      network.#build()
      return network
    }
    throw new Error('no free network slot: are many test runs going on?')
  }

  /** Adds a host with the next address. */
  host(name: string): Host {
    const number = ++this.#hosts
    const namespace = `${this.#id}-${number}`
    const outer = `h${number}`
    const address = `10.213.${this.#slot}.${number + 1}`
    const address6 = `fd00:213:${this.#slot}::${number + 1}`
    ip('netns', 'add', namespace)
    ip('-n', this.#bridge, 'link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    ip('-n', this.#bridge, 'link', 'set', outer, 'master', 'br0', 'up')
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    // Without looking for duplicates, which takes a second or two in which nothing can be bound to it.
    ip('-n', namespace, 'addr', 'add', `${address6}/64`, 'dev', 'eth0', 'nodad')
    ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    // Multicast goes nowhere without a route.
    ip('-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0')
    const scope = this.#scope
    const path = `${folder}/${namespace}`
    return {
      name,
      address,
      address6,
      namespace: path,
      start: (command, args, options) => new Child(command, args, { ...options, namespace: path }, scope),
    }
  }

  /** A further address of the test process itself, for a peer written in the test. */
  ownAddress(): string {
    const address = `10.213.${this.#slot}.${200 + this.#extra++}`
    ip('addr', 'add', `${address}/24`, 'dev', this.#link)
    return address
  }

  /**
   * Gives a host a second interface, `eth1`, in a network of its own on the same bridge.
   *
   * @returns the host's address there, and the test process's
   */
  secondInterface(host: Host): { readonly own: string; readonly far: string } {
    const number = Number(host.address.split('.')[3]) - 1
    const namespace = `${this.#id}-${number}`
    const outer = `s${number}`
    const [own, far] = [`10.214.${this.#slot}.${number + 1}`, `10.214.${this.#slot}.1`]
    ip('-n', this.#bridge, 'link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth1', 'netns', namespace)
    ip('-n', this.#bridge, 'link', 'set', outer, 'master', 'br0', 'up')
    ip('-n', namespace, 'addr', 'add', `${own}/24`, 'dev', 'eth1')
    ip('-n', namespace, 'link', 'set', 'eth1', 'up')
    ip('addr', 'replace', `${far}/24`, 'dev', this.#link)
    return { own, far }
  }

  /** Cuts a host off (its link goes down) or joins it again. */
  connect(host: Host, up: boolean): void {
    const number = Number(host.address.split('.')[3]) - 1
    ip('-n', this.#bridge, 'link', 'set', `h${number}`, up ? 'up' : 'down')
  }

  #build(): void {
    ip('netns', 'add', this.#bridge)
    ip('link', 'set', `${this.#link}p`, 'netns', this.#bridge)
    ip('-n', this.#bridge, 'link', 'add', 'br0', 'type', 'bridge')
    ip('-n', this.#bridge, 'link', 'set', 'br0', 'up')
    ip('-n', this.#bridge, 'link', 'set', `${this.#link}p`, 'master', 'br0', 'up')
    ip('addr', 'add', `${this.address}/24`, 'dev', this.#link)
    ip('link', 'set', this.#link, 'up')
  }

  #remove(): void {
    spawnSync('ip', ['link', 'del', this.#link])
    for (let number = 1; number <= this.#hosts; number++)
      spawnSync('ip', ['netns', 'del', `${this.#id}-${number}`])
    spawnSync('ip', ['netns', 'del', this.#bridge])
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/**
 * Takes away what test processes that were killed have left. A live process's namespaces carry its id and stay. The
 * links go with the bridge's namespace: deleted by name they might be those of a live process in the same slot.
 */
function sweep(): void {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const match = new RegExp(`^${PREFIX}(\\d+)-(\\d+)-`).exec(name)
    if (match === null || existsSync(`/proc/${match[1]}`)) continue
    spawnSync('ip', ['netns', 'del', name])
  }
}
