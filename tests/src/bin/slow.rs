//! `slow`: hundreds of slow clients beside an honest one; fails when the honest one notices.
//!
//! The host runs in a process of its own, with its defaults, so that its memory can be told from the
//! clients'. A third of the slow ones never finish a head, a third never finish a body, a third do
//! not read their answers; who is let go comes again. They come from several addresses of this
//! machine, since one address may not hold so many connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Parser;
use levqor_host_http::{Config, Host};
use levqor_tests::bench::Figure;
use levqor_tests::bench::http::Line;
use levqor_tests::bench::load::Failure;
use levqor_tests::bench::output::pss_mib_of;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Between two signs of life of a slow client.
const DRIBBLE: Duration = Duration::from_millis(900);
/// Between two requests of the honest client: under the rate that one address has.
const PACE: Duration = Duration::from_millis(8);
/// Below this a p99 is the scheduler's, not the host's: a dozen processes share two cores.
const NOISE: Duration = Duration::from_millis(5);

#[derive(Debug, Parser)]
struct Arguments {
    /// Slow clients.
    #[arg(long, default_value_t = 500)]
    clients: usize,
    /// Honest requests in each measurement.
    #[arg(long, default_value_t = 1_500)]
    requests: usize,
    /// How often the calm p99 the honest client may wait.
    #[arg(long, default_value_t = 2.0)]
    times: f64,
    /// MiB that the host may grow by.
    #[arg(long, default_value_t = 64.0)]
    memory_mib: f64,
    /// Be the host (what this program starts by itself).
    #[arg(long, hide = true)]
    host: bool,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime
        .block_on(async { if arguments.host { be_host().await } else { attack(&arguments).await } })
}

/// Serves until standard input ends.
#[expect(clippy::print_stdout, reason = "the other process reads where the host is")]
async fn be_host() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::in_folder(folder.path());
    config.store = "memory:".to_owned();
    let host = Host::start(config).await?;
    println!("{} {}", host.address(), host.admin_key().map(|k| k.reveal()).unwrap_or_default());
    let _ = tokio::io::stdin().read(&mut [0]).await;
    Ok(host.stop().await?)
}

async fn attack(arguments: &Arguments) -> Result<(), Failure> {
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .arg("--host")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let line = BufReader::new(stdout).lines().next_line().await?.unwrap_or_default();
    let (address, key) = line.split_once(' ').ok_or("the host did not start")?;
    let address: SocketAddr = address.parse()?;
    let pid = child.id().ok_or("the host is gone")?;

    let calm_p99 = honest(address, arguments.requests).await?;
    let calm_mib = pss_mib_of(pid);
    let mut slow = tokio::task::JoinSet::new();
    for number in 0..arguments.clients {
        slow.spawn(be_slow(number, address, key.to_owned()));
    }
    // Until each kind has met its deadline once and come again.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let busy_p99 = honest(address, arguments.requests).await?;
    let busy_mib = pss_mib_of(pid);
    slow.abort_all();
    drop(child.stdin.take());
    let _ = child.wait().await;

    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let grown_mib = ((busy_mib - calm_mib) * 10.0).round() / 10.0;
    Figure::new("slow", "memory")
        .with("clients", arguments.clients)
        .with("calm_p99_ms", ms(calm_p99))
        .with("busy_p99_ms", ms(busy_p99))
        .with("calm_pss_mib", calm_mib)
        .with("grown_mib", grown_mib)
        .print();
    if busy_p99 > calm_p99.mul_f64(arguments.times).max(NOISE) {
        return Err(format!("the honest client waits {} times", arguments.times).into());
    }
    if grown_mib > arguments.memory_mib {
        return Err(format!("the host has grown by more than {} MiB", arguments.memory_mib).into());
    }
    Ok(())
}

/// The p99 of a client that does nothing wrong. Every request must be answered.
async fn honest(address: SocketAddr, requests: usize) -> Result<Duration, Failure> {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut line = Line::open(address).await?;
    let mut times = Vec::with_capacity(requests);
    for _ in 0..requests {
        let begun = Instant::now();
        line.ask(request.as_bytes(), 200).await?;
        times.push(begun.elapsed());
        tokio::time::sleep(PACE).await;
    }
    times.sort_unstable();
    Ok(times[(requests - 1) * 99 / 100])
}

async fn be_slow(number: usize, address: SocketAddr, key: String) {
    // 100 each from 127.0.0.2 on.
    let from = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + number / 100).unwrap_or(255));
    loop {
        // A connection that is refused or ended is what the host should do; come again.
        let _ = match number % 3 {
            0 => slow_head(from, address).await,
            1 => slow_body(from, address, &key).await,
            _ => slow_read(from, address).await,
        };
        tokio::time::sleep(DRIBBLE).await;
    }
}

async fn connect(from: Ipv4Addr, to: SocketAddr, room: u32) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.set_recv_buffer_size(room)?;
    socket.connect(to).await
}

async fn slow_head(from: Ipv4Addr, address: SocketAddr) -> std::io::Result<()> {
    let mut stream = connect(from, address, 8_192).await?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n").as_bytes()).await?;
    loop {
        stream.write_all(b"x: y\r\n").await?;
        tokio::time::sleep(DRIBBLE).await;
    }
}

async fn slow_body(from: Ipv4Addr, address: SocketAddr, key: &str) -> std::io::Result<()> {
    let mut stream = connect(from, address, 8_192).await?;
    let head = format!(
        "POST /api/v1/run HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    loop {
        stream.write_all(&[b' '; 1_024]).await?;
        tokio::time::sleep(DRIBBLE).await;
    }
}

/// Asks for the largest answer again and again and reads a byte now and then.
async fn slow_read(from: Ipv4Addr, address: SocketAddr) -> std::io::Result<()> {
    let mut stream = connect(from, address, 1_024).await?;
    let get = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(get.repeat(100).as_bytes()).await?;
    loop {
        if stream.read(&mut [0]).await? == 0 {
            return Ok(());
        }
        tokio::time::sleep(DRIBBLE).await;
    }
}
