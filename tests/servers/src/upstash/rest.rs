//! The REST API of Upstash Redis over one Redis, as <https://upstash.com/docs/redis/features/restapi> gives it.

use std::borrow::Cow;

use hyper::{
    HeaderMap, Method, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, CONTENT_TYPE},
    http::request::Parts,
};
use percent_encoding::percent_decode_str;
use redis::{Value, aio::MultiplexedConnection};
use serde_json::{Value as Json, json};

use super::reply::{self, Form};

/// The largest request in bytes of the plans "Free" and "Pay as you go".
pub(super) const MAX_REQUEST: usize = 10 * 1024 * 1024;

/// A command and its arguments.
type Command = Vec<Vec<u8>>;
/// What a request is refused with.
type Refusal = (StatusCode, String);

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// Answers a request with this token as the one that holds, at most this long.
pub(super) async fn answer(
    request: &Parts,
    body: Bytes,
    token: &str,
    max_request: usize,
    redis: MultiplexedConnection,
) -> Answer {
    match run(request, &body, token, max_request, redis).await {
        Ok(answer) => answer,
        Err((status, error)) => Answer::json(status, &json!({ "error": error })),
    }
}

async fn run(
    request: &Parts,
    body: &[u8],
    token: &str,
    max_request: usize,
    redis: MultiplexedConnection,
) -> Result<Answer, Refusal> {
    if ![Method::HEAD, Method::GET, Method::POST, Method::PUT].contains(&request.method) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "ERR method is not allowed".into()));
    }
    let (options, query_token) = query(request.uri.query().unwrap_or_default())?;
    let bearer = request.headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok()?.strip_prefix("Bearer "));
    if bearer != Some(token) && query_token.as_deref() != Some(token) {
        return Err((StatusCode::UNAUTHORIZED, "WRONGPASS invalid or missing auth token".into()));
    }
    let form = form(&request.headers)?;
    if body.len() > max_request {
        let actual = body.len();
        let text =
            format!("ERR max request size exceeded. Limit: {max_request} bytes, Actual: {actual} bytes");
        return Err(bad(text));
    }
    match request.uri.path() {
        "/pipeline" => Ok(Answer::pipeline(&send(redis, &commands(body)?).await?, form)),
        "/multi-exec" => transaction(redis, commands(body)?, form).await,
        "/" => Ok(Answer::single(&one(redis, command(&parse(body)?)?).await?, form)),
        path => {
            let mut command: Command =
                path[1..].split('/').map(|segment| percent_decode_str(segment).collect()).collect();
            if !body.is_empty() {
                command.push(body.to_vec());
            }
            command.extend(options);
            Ok(Answer::single(&one(redis, command).await?, form))
        }
    }
}

/// The options of a command, which stand as parameters behind its last argument, and the token among them.
fn query(query: &str) -> Result<(Command, Option<String>), Refusal> {
    let (mut options, mut token) = (Vec::new(), None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text| percent_decode_str(text).collect::<Vec<u8>>();
        if name == "_token" {
            token = Some(String::from_utf8(decode(value)).map_err(|_| bad("ERR not UTF-8"))?);
        } else {
            options.extend([decode(name), decode(value)].into_iter().filter(|part| !part.is_empty()));
        }
    }
    Ok((options, token))
}

fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let (format, encoding) = (header("Upstash-Response-Format"), header("Upstash-Encoding"));
    match (format.as_deref(), encoding.as_deref()) {
        (None | Some("json"), Some("base64")) => Ok(Form::Base64),
        (None | Some("json"), _) => Ok(Form::Text),
        (Some("resp2"), Some("base64")) => Err(bad("ERR base64 goes with JSON only")),
        (Some("resp2"), _) => Ok(Form::Resp2),
        _ => Err(bad("ERR unknown response format")),
    }
}

fn parse(body: &[u8]) -> Result<Json, Refusal> {
    serde_json::from_slice(body).map_err(|_| bad("ERR failed to parse the request as JSON"))
}

fn commands(body: &[u8]) -> Result<Vec<Command>, Refusal> {
    let Json::Array(rows) = parse(body)? else { return Err(bad("ERR not an array of commands")) };
    rows.iter().map(command).collect()
}

fn command(json: &Json) -> Result<Command, Refusal> {
    let argument = |json: &Json| match json {
        Json::String(text) => Ok(text.clone().into_bytes()),
        Json::Number(number) => Ok(number.to_string().into_bytes()),
        _ => Err(bad("ERR an argument is neither a string nor a number")),
    };
    match json {
        Json::Array(arguments) if !arguments.is_empty() => arguments.iter().map(argument).collect(),
        _ => Err(bad("ERR empty command")),
    }
}

async fn one(redis: MultiplexedConnection, command: Command) -> Result<Value, Refusal> {
    Ok(send(redis, &[command]).await?.pop().unwrap())
}

/// The replies of Redis to these commands, in one go. Its errors are replies, too.
async fn send(mut redis: MultiplexedConnection, commands: &[Command]) -> Result<Vec<Value>, Refusal> {
    let mut pipeline = redis::pipe();
    for command in commands {
        let mut cmd = redis::Cmd::new();
        cmd.arg(command);
        pipeline.add_command(cmd);
    }
    if commands.is_empty() {
        return Err(bad("ERR empty pipeline"));
    }
    let sent = redis.send_packed_commands(&pipeline, 0, commands.len()).await;
    sent.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "ERR the database is away".into()))
}

async fn transaction(
    redis: MultiplexedConnection,
    mut commands: Vec<Command>,
    form: Form,
) -> Result<Answer, Refusal> {
    if form == Form::Resp2 {
        return Err(bad("ERR a transaction is answered in JSON only"));
    }
    commands.insert(0, vec![b"MULTI".to_vec()]);
    commands.push(vec![b"EXEC".to_vec()]);
    match send(redis, &commands).await?.pop().unwrap() {
        Value::Array(replies) => Ok(Answer::pipeline(&replies, form)),
        Value::ServerError(discarded) => Err(bad(reply::text(&discarded))),
        other => panic!("EXEC gave {other:?}"),
    }
}

fn bad(error: impl Into<Cow<'static, str>>) -> Refusal {
    (StatusCode::BAD_REQUEST, error.into().into_owned())
}

impl Answer {
    fn json(status: StatusCode, json: &Json) -> Self {
        Self { status, content_type: "application/json", body: json.to_string().into_bytes() }
    }

    fn single(reply: &Value, form: Form) -> Self {
        let failed = matches!(reply, Value::ServerError(_));
        let status = if failed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        if form == Form::Resp2 {
            return Self::resp2(status, std::slice::from_ref(reply));
        }
        Self::json(status, &reply::json(reply, form))
    }

    fn pipeline(replies: &[Value], form: Form) -> Self {
        if form == Form::Resp2 {
            return Self::resp2(StatusCode::OK, replies);
        }
        Self::json(StatusCode::OK, &replies.iter().map(|reply| reply::json(reply, form)).collect())
    }

    fn resp2(status: StatusCode, replies: &[Value]) -> Self {
        let mut body = Vec::new();
        replies.iter().for_each(|reply| reply::resp2(reply, &mut body));
        Self { status, content_type: "application/octet-stream", body }
    }
}

/// The header of an answer by its name.
pub(super) const TYPE: hyper::header::HeaderName = CONTENT_TYPE;
