// go-echo: the echo server on Go's net package. `go-echo ADDRESS:PORT|unix:PATH`.
//
// A goroutine for each connection, with a buffer of its own; one of them runs at a time. TCP_NODELAY
// is what net sets by itself, and so is the limit of descriptors. What a connection counted is added
// up when it ends, so that counting is not on the path of a message.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const bufferBytes = 64 * 1024

type counters struct {
	messages, bytes, connections, errors uint64
}

var (
	sum     counters
	sumLock sync.Mutex
	running sync.WaitGroup
)

func conversation(connection net.Conn) {
	defer running.Done()
	own := counters{connections: 1}
	buffer := make([]byte, bufferBytes)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				own.errors++
			}
			break
		}
		own.messages++
		sent, err := connection.Write(buffer[:length])
		own.bytes += uint64(sent)
		if err != nil {
			own.errors++
			break
		}
	}
	connection.Close()
	sumLock.Lock()
	sum.messages += own.messages
	sum.bytes += own.bytes
	sum.connections += own.connections
	sum.errors += own.errors
	sumLock.Unlock()
}

func serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			running.Add(1)
			go conversation(connection)
		}
	}
}

// Those whose peers have gone may not have noticed yet; those whose peers have not are cut.
func awaitConversations() {
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Second):
	}
}

func cpuUs(since, now syscall.Timeval) int64 {
	return (now.Nano() - since.Nano()) / 1000
}

func print(since *syscall.Rusage) {
	var now syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &now)
	sumLock.Lock()
	defer sumLock.Unlock()
	fmt.Printf("{\"program\": \"go-echo\", \"threads\": 1, \"messages\": %d, \"bytes\": %d, "+
		"\"connections\": %d, \"errors\": %d, \"cpu_user_us\": %d, \"cpu_system_us\": %d}\n",
		sum.messages, sum.bytes, sum.connections, sum.errors,
		cpuUs(since.Utime, now.Utime), cpuUs(since.Stime, now.Stime))
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-echo ADDRESS:PORT|unix:PATH")
		os.Exit(2)
	}
	network, address := "tcp", os.Args[1]
	if path := strings.TrimPrefix(address, "unix:"); path != address {
		network, address = "unix", path
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1)
	listener, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-echo:", err)
		os.Exit(1)
	}
	var since syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &since)
	fmt.Println("listening on", os.Args[1])
	go serve(listener)
	for number := range signals {
		if number != syscall.SIGUSR1 {
			break
		}
		print(&since)
	}
	listener.Close()
	awaitConversations()
	print(&since)
}
