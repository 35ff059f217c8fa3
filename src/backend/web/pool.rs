//! The pools of connections, and when one is given up.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{Client, redirect::Policy};
use rustls::ClientConfig;
use tokio::{sync::watch, time::Instant};

use super::{answer::Answer, error::Failure};

/// Idle connections that are kept.
const IDLE: usize = 100;

/// Clients of one server: the one that calls share, with its pool, and one that pools nothing.
///
/// A half-open connection looks like any other. So after a time-out, when a connection was lost and a new one did no
/// better, or when callers gave up and nothing was answered for the time limit, all connections are left to the calls
/// that still wait on them, and later calls get new ones.
pub(super) struct Pool {
    /// The caller's own client has none: it is what it is.
    recipe: Option<Recipe>,
    unpooled: Client,
    limit: Duration,
    state: Mutex<State>,
}

struct State {
    client: Client,
    /// How many clients there were before this one.
    number: u64,
    /// Whether it has an answer, and has not lost a connection since.
    answered: bool,
    /// Whether the last answer came over HTTP/2.
    is_http2: bool,
    /// Since when a call has been without an answer whose caller gave up, if nothing was answered since.
    doubted: Option<Instant>,
    /// Whether one call is through with it, whatever came of that.
    tried: watch::Sender<bool>,
}

/// What a client is made of.
pub(super) struct Recipe {
    pub(super) tls: ClientConfig,
    pub(super) limit: Duration,
}

impl Recipe {
    /// A client that reads nothing from the environment, follows no redirect and decompresses nothing.
    ///
    /// A proxy of the environment would be handed names, entries and, without TLS, tokens by a variable that the
    /// application never read. A caller who wants one has a client of their own.
    fn client(&self, idle: usize) -> Result<Client, Failure> {
        let mut tls = self.tls.clone();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let builder = Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let builder = builder.redirect(Policy::none()).referer(false).no_hickory_dns();
        // Another crate of the application may have switched these features on.
        let builder = builder.no_gzip().no_brotli().no_zstd().no_deflate();
        let builder = builder.connect_timeout(self.limit).pool_max_idle_per_host(idle);
        builder.build().map_err(|_| Failure::setting("the settings make no HTTP client"))
    }
}

impl Pool {
    pub(super) fn new(recipe: Recipe) -> Result<Self, Failure> {
        let (client, unpooled, limit) = (recipe.client(IDLE)?, recipe.client(0)?, recipe.limit);
        Ok(Self { recipe: Some(recipe), unpooled, limit, state: Mutex::new(State::new(client, 0)) })
    }

    pub(super) fn theirs(client: Client, limit: Duration) -> Self {
        Self { recipe: None, unpooled: client.clone(), limit, state: Mutex::new(State::new(client, 0)) }
    }

    /// A client whose connections are new ones; of the caller's own this is not known.
    pub(super) fn unpooled(&self) -> &Client {
        &self.unpooled
    }

    pub(super) fn call(&self) -> Call<'_> {
        let mut state = self.state();
        if state.doubted.is_some_and(|since| since.elapsed() >= self.limit) {
            self.replace(&mut state);
        }
        let State { client, number, answered, .. } = &*state;
        let (client, number, may_be_old) = (client.clone(), *number, *answered);
        drop(state);
        Call { pool: self, client, number, may_be_old, started: Instant::now(), over: false }
    }

    fn replace(&self, state: &mut State) {
        let client = self.recipe.as_ref().and_then(|recipe| recipe.client(IDLE).ok());
        let client = client.unwrap_or_else(|| state.client.clone());
        *state = State { is_http2: state.is_http2, ..State::new(client, state.number + 1) };
    }

    /// Held for moments, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(client: Client, number: u64) -> Self {
        Self {
            client,
            number,
            answered: false,
            is_http2: false,
            doubted: None,
            tried: watch::Sender::new(false),
        }
    }
}

/// A call on one of the clients.
pub(super) struct Call<'a> {
    pool: &'a Pool,
    pub(super) client: Client,
    number: u64,
    /// Whether its connection may be one that was there before.
    may_be_old: bool,
    started: Instant,
    over: bool,
}

impl Call<'_> {
    /// Whether the call failed for its connection alone, and a new one may do better.
    pub(super) fn may_be_repeated(&self, failure: &Failure) -> bool {
        failure.missed_connection() || self.may_be_old && failure.lost_connection()
    }

    /// Goes on with a client whose connections are new: over HTTP/2 with the next one, so that the calls which lost their
    /// one connection share another; over HTTP/1.1 with one that pools nothing, whose loss was this call's alone.
    ///
    /// Gives what to wait for, a moment only, where another call is making that connection: the client would make one
    /// for each of them.
    pub(super) fn renew(&mut self) -> Option<watch::Receiver<bool>> {
        let mut state = self.pool.state();
        if !state.is_http2 {
            self.client = self.pool.unpooled.clone();
            return None;
        }
        let is_first = state.number == self.number;
        if is_first {
            self.pool.replace(&mut state);
        }
        (self.client, self.number) = (state.client.clone(), state.number);
        (!is_first).then(|| state.tried.subscribe())
    }

    pub(super) fn over(mut self, outcome: &Result<Answer, Failure>) {
        self.over = true;
        let mut state = self.pool.state();
        if state.number != self.number {
            return;
        }
        state.tried.send_replace(true);
        match outcome {
            Ok(answer) => {
                (state.answered, state.is_http2, state.doubted) = (true, answer.is_http2, None);
            }
            Err(failure) if failure.is_timeout() => self.pool.replace(&mut state),
            // The other idle ones may be as dead, and are not tried one after the other.
            Err(failure) if failure.lost_connection() && state.answered => self.pool.replace(&mut state),
            Err(_) => {}
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.pool.state();
        if state.number == self.number {
            state.tried.send_replace(true);
            state.doubted.get_or_insert(self.started);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use bytes::Bytes;
    use reqwest::{Method, StatusCode, header::HeaderMap};
    use rustls::{RootCertStore, crypto::aws_lc_rs};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{backend::web::Settings, error::BackendErrorKind};

    const LIMIT: Duration = Duration::from_secs(2);

    fn recipe() -> Recipe {
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        Recipe { tls, limit: LIMIT }
    }

    pub(crate) fn client() -> Client {
        recipe().client(0).unwrap()
    }

    fn answer(is_http2: bool) -> Result<Answer, Failure> {
        let (status, headers, body) = (StatusCode::OK, HeaderMap::new(), Bytes::new());
        Ok(Answer { backend: "a", is_http2, status, headers, broke_off: false, body })
    }

    #[test]
    fn clients_are_made_without_a_runtime() {
        let pool = Pool::new(recipe()).unwrap();
        drop(pool.call());
    }

    #[tokio::test(start_paused = true)]
    async fn time_out_gives_later_calls_another_client_once() {
        let pool = Pool::new(recipe()).unwrap();
        let (first, second) = (pool.call(), pool.call());
        first.over(&Err(Failure::no_answer()));
        assert_eq!(pool.call().number, 1);
        second.over(&Err(Failure::no_answer()));
        assert_eq!(pool.call().number, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_given_up_cost_a_client_only_where_nothing_is_answered() {
        let pool = Pool::new(recipe()).unwrap();
        for _ in 0..10 {
            let call = pool.call();
            tokio::time::advance(LIMIT / 4).await;
            drop(call);
            pool.call().over(&answer(false));
        }
        assert_eq!(pool.state().number, 0);
        for _ in 0..3 {
            let call = pool.call();
            assert_eq!(call.number, 0);
            tokio::time::advance(LIMIT / 3 + Duration::from_millis(1)).await;
            drop(call);
        }
        pool.call().over(&answer(false));
        assert_eq!(pool.state().number, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_lost_one_http_2_connection_share_the_next_client() {
        let pool = Pool::new(recipe()).unwrap();
        pool.call().over(&answer(true));
        let (mut first, mut second, mut third) = (pool.call(), pool.call(), pool.call());
        assert!(first.renew().is_none());
        let waits = second.renew().unwrap();
        assert!(!*waits.borrow());
        assert_eq!((first.number, second.number), (1, 1));
        first.over(&answer(true));
        assert!(*waits.borrow());
        assert!(*third.renew().unwrap().borrow());
        assert_eq!((third.number, pool.call().number), (1, 1));
        assert!(pool.call().may_be_old);
        let pool = Pool::new(recipe()).unwrap();
        pool.call().over(&answer(false));
        pool.call().renew();
        assert_eq!(pool.call().number, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_may_be_old_until_one_was_lost() {
        let pool = Pool::new(recipe()).unwrap();
        assert!(!pool.call().may_be_old);
        pool.call().over(&answer(false));
        let before = pool.call();
        assert!(before.may_be_old);
        before.over(&Err(Failure::closed()));
        assert!(!pool.call().may_be_old);
    }

    /// Answers on connections of the present generation; resets others at their next request, and in an odd one all.
    async fn serve(listener: TcpListener, generation: Arc<AtomicUsize>) {
        let now = move || generation.load(SeqCst);
        while let Ok((mut connection, _)) = listener.accept().await {
            let (born, now) = (now(), now.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while now() == born
                    && born % 2 == 0
                    && connection.read(&mut request).await.is_ok_and(|size| size > 0)
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    if now() == born {
                        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    }
                }
                connection.set_zero_linger().unwrap();
            });
        }
    }

    #[tokio::test]
    async fn connections_of_before_an_outage_are_not_used_after_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let generation = Arc::new(AtomicUsize::new(0));
        let _server = tokio::spawn(serve(listener, generation.clone()));
        let web = Settings::new(1_000).build("web", &url, 1_000).unwrap();
        let call = async || web.send_by(web.deadline(), web.request(Method::GET, &[]), 0).await;
        let (a, b, c) = tokio::join!(call(), call(), call());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        generation.store(1, SeqCst);
        assert_eq!(call().await.err().unwrap().kind(), BackendErrorKind::Transient);
        generation.store(2, SeqCst);
        assert!(call().await.is_ok());
    }
}
