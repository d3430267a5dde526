//! tokio-echo: the echo server on Tokio. `tokio-echo ADDRESS:PORT|unix:PATH`.
//!
//! The current-thread runtime, and a task for each connection, with a buffer of its own. The
//! counters are written by that one thread: a load and a store, no locked instruction.
use std::io::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, UnixListener};
use tokio::signal::unix::{signal, SignalKind};

const BUFFER_BYTES: usize = 64 * 1024;
const BACKLOG: u32 = 4096;

static MESSAGES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static ERRORS: AtomicU64 = AtomicU64::new(0);

fn count(counter: &AtomicU64, more: usize) {
    counter.store(counter.load(Relaxed) + more as u64, Relaxed);
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        count(&MESSAGES, 1);
        stream.write_all(&buffer[..length]).await?;
        count(&BYTES, length);
    }
}

async fn conversation<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    count(&CONNECTIONS, 1);
    if echo(stream).await.is_err() {
        count(&ERRORS, 1);
    }
}

async fn serve_unix(listener: UnixListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(conversation(stream));
        }
    }
}

async fn serve_tcp(listener: tokio::net::TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            tokio::spawn(conversation(stream));
        }
    }
}

fn start(address: &str) -> Result<()> {
    if let Some(path) = address.strip_prefix("unix:") {
        let _ = std::fs::remove_file(path);
        tokio::spawn(serve_unix(UnixListener::bind(path)?));
        return Ok(());
    }
    let address: std::net::SocketAddr =
        address.parse().map_err(|_| Error::from_raw_os_error(libc::EINVAL))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    tokio::spawn(serve_tcp(socket.listen(BACKLOG)?));
    Ok(())
}

fn raise_descriptor_limit() {
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

/// User and system time of this process, in microseconds.
fn cpu_us() -> (i64, i64) {
    let us = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        (us(usage.ru_utime), us(usage.ru_stime))
    }
}

fn print(since: (i64, i64)) {
    let now = cpu_us();
    println!(
        "{{\"program\": \"tokio-echo\", \"threads\": 1, \"messages\": {}, \"bytes\": {}, \
         \"connections\": {}, \"errors\": {}, \"cpu_user_us\": {}, \"cpu_system_us\": {}}}",
        MESSAGES.load(Relaxed),
        BYTES.load(Relaxed),
        CONNECTIONS.load(Relaxed),
        ERRORS.load(Relaxed),
        now.0 - since.0,
        now.1 - since.1
    );
}

async fn run(address: &str) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut report = signal(SignalKind::user_defined1())?;
    start(address)?;
    let since = cpu_us();
    println!("listening on {address}");
    let reports = tokio::spawn(async move {
        while report.recv().await.is_some() {
            print(since);
        }
    });
    terminate.recv().await;
    reports.abort();
    print(since);
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 2 {
        eprintln!("usage: tokio-echo ADDRESS:PORT|unix:PATH");
        std::process::exit(2);
    }
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let result = runtime.and_then(|runtime| runtime.block_on(run(&arguments[1])));
    if let Err(error) = result {
        eprintln!("tokio-echo: {}: {error}", arguments[1]);
        std::process::exit(1);
    }
}
