// forward NAMESPACE LISTEN TARGET...: a load balancer for TCP. Listens in the network that it was started in and connects to one of
// the targets from inside a network namespace, given as a path: a machine without a route to the cluster reaches it through
// 127.0.0.1. The targets take turns; one that does not answer is passed over, and its connections end.
package main

import (
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const connectTimeout = time.Second

// A target that acknowledges nothing for this long is dead.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: forward NAMESPACE LISTEN TARGET...")
	}
	targets := os.Args[3:]
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

func serve(client net.Conn, sockets <-chan int, targets []string, turn int) {
	defer client.Close()
	var server net.Conn
	for attempt := range targets {
		target := targets[(turn+attempt)%len(targets)]
		var err error
		if server, err = connect(<-sockets, target); err == nil {
			break
		}
		log.Printf("%s: %v", target, err)
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
