// forward NAMESPACE LISTEN TARGET...: a load balancer for TCP. Listens in the network that it was started in and connects to one of
// the targets from inside a network namespace, given as a path: a machine without a route to the cluster reaches it through
// 127.0.0.1. The targets take turns. One that does not answer gets no connections until it accepts one of the load balancer's own;
// those that it has end.
package main

import (
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const connectTimeout = time.Second

// How often a target that does not answer is tried again.
const recheckInterval = time.Second

// A target that acknowledges nothing for this long is dead.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: forward NAMESPACE LISTEN TARGET...")
	}
	var targets []*target
	for _, address := range os.Args[3:] {
		targets = append(targets, &target{address: address})
	}
	listener, err := net.Listen("tcp", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	sockets := openSockets(os.Args[1])
	for turn := 0; ; turn++ {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client, sockets, targets, turn)
	}
}

// openSockets returns TCP sockets of the namespace. A socket stays in the namespace of the thread that created it.
func openSockets(namespace string) <-chan int {
	sockets := make(chan int)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			log.Fatal(err)
		}
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			log.Fatal(err)
		}
		for {
			socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				log.Fatal(err)
			}
			sockets <- socket
		}
	}()
	return sockets
}

type target struct {
	address string
	down    atomic.Bool
}

// failed takes the target out of the turn until a connection to it succeeds.
func (target *target) failed(sockets <-chan int) {
	if target.down.Swap(true) {
		return
	}
	go func() {
		for {
			time.Sleep(recheckInterval)
			if server, err := connect(<-sockets, target.address); err == nil {
				server.Close()
				target.down.Store(false)
				return
			}
		}
	}()
}

// inTurn returns the targets in the order in which a client tries them, those that are down last.
func inTurn(targets []*target, turn int) []*target {
	first := turn % len(targets)
	ordered := slices.Concat(targets[first:], targets[:first])
	slices.SortStableFunc(ordered, func(a, b *target) int {
		if a.down.Load() == b.down.Load() {
			return 0
		}
		if a.down.Load() {
			return 1
		}
		return -1
	})
	return ordered
}

func serve(client net.Conn, sockets <-chan int, targets []*target, turn int) {
	defer client.Close()
	var server net.Conn
	for _, target := range inTurn(targets, turn) {
		var err error
		if server, err = connect(<-sockets, target.address); err == nil {
			break
		}
		log.Printf("%s: %v", target.address, err)
		target.failed(sockets)
	}
	if server == nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	relay := func(to, from net.Conn) {
		if _, err := io.Copy(to, from); err != nil {
			to.Close()
		}
		if half, ok := to.(*net.TCPConn); ok {
			half.CloseWrite()
		}
		done <- struct{}{}
	}
	go relay(server, client)
	go relay(client, server)
	<-done
	<-done
}

func connect(socket int, target string) (net.Conn, error) {
	file := os.NewFile(uintptr(socket), "")
	defer file.Close()
	address, err := net.ResolveTCPAddr("tcp4", target)
	if err != nil {
		return nil, err
	}
	to := unix.SockaddrInet4{Port: address.Port}
	copy(to.Addr[:], address.IP.To4())
	// The send timeout bounds connect(2).
	limit := unix.NsecToTimeval(connectTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit); err != nil {
		return nil, err
	}
	if err := unix.Connect(socket, &to); err != nil {
		return nil, err
	}
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{}); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return conn, conn.(*net.TCPConn).SetKeepAliveConfig(keepAlive)
}
