//! Setting the table up.

use std::{future::Future, time::Duration};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};

use super::{
    bound::Bound,
    call::send,
    error::Failure,
    item::{EXPIRY, KEY},
    link::Link,
};

/// How long creating a table may take in all.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// How long it is until the table is asked about again.
const PAUSE: Duration = Duration::from_millis(250);

impl Link {
    /// Makes sure that there is the table, of the right shape, active, and with expiry by the right attribute.
    pub(super) async fn create_table(&self) -> Result<(), Failure> {
        Handle::try_current().map_err(|_| Failure::no_runtime())?;
        let deadline = Instant::now() + LIMIT;
        let steps = async {
            self.until(deadline, async || match self.create().await {
                Err(failure) if failure.is_in_use() => Ok(Some(())),
                result => result.map(Some),
            })
            .await?;
            self.until(deadline, async || self.is_active().await).await?;
            self.until(deadline, async || self.is_expiring().await).await
        };
        // A call may have more time than is left.
        timeout_at(deadline, steps).await.unwrap_or_else(|_| Err(Failure::no_answer()))
    }

    /// Asks until it gives something, through passing trouble and within the deadline.
    async fn until<T, F>(&self, deadline: Instant, ask: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<Option<T>, Failure>>,
    {
        loop {
            let failure = match self.within(1, ask()).await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => Failure::no_answer(),
                Err(failure) if failure.passes() => failure,
                Err(failure) => return Err(failure),
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(failure);
            }
            sleep(PAUSE).await;
        }
    }

    async fn create(&self) -> Result<(), Failure> {
        let attribute = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .map_err(|_| Failure::unexpected())?;
        let key = KeySchemaElement::builder()
            .attribute_name(KEY)
            .key_type(KeyType::Hash)
            .build()
            .map_err(|_| Failure::unexpected())?;
        let request = self
            .client()
            .await
            .create_table()
            .table_name(&self.table)
            .attribute_definitions(attribute)
            .key_schema(key)
            .billing_mode(BillingMode::PayPerRequest);
        send!(request, Bound::plain()).map(drop)
    }

    /// `None` while it is not active yet.
    async fn is_active(&self) -> Result<Option<()>, Failure> {
        let request = self.client().await.describe_table().table_name(&self.table);
        let answer = match send!(request, Bound::plain()) {
            // Just created, and not known everywhere yet.
            Err(failure) if failure.is_code("ResourceNotFoundException") => return Ok(None),
            answer => answer?,
        };
        let table = answer.table.ok_or_else(Failure::unexpected)?;
        if !has_our_key(&table) {
            return Err(Failure::setting("the table has another key than the string `pk` alone"));
        }
        let is_active = matches!(table.table_status, Some(TableStatus::Active | TableStatus::Updating));
        Ok(is_active.then_some(()))
    }

    /// `None` after it was asked to, so that it is looked at again.
    async fn is_expiring(&self) -> Result<Option<()>, Failure> {
        let request = self.client().await.describe_time_to_live().table_name(&self.table);
        let ttl = send!(request, Bound::plain())?.time_to_live_description;
        let status = ttl.as_ref().and_then(|ttl| ttl.time_to_live_status.clone());
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            let attribute = ttl.as_ref().and_then(|ttl| ttl.attribute_name.as_deref());
            return match attribute {
                Some(EXPIRY) => Ok(Some(())),
                _ => Err(Failure::setting("the table's items expire by another attribute than `exp`")),
            };
        }
        if matches!(status, Some(TimeToLiveStatus::Disabling)) {
            return Ok(None);
        }
        let wanted = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(EXPIRY)
            .build()
            .map_err(|_| Failure::unexpected())?;
        let request = self
            .client()
            .await
            .update_time_to_live()
            .table_name(&self.table)
            .time_to_live_specification(wanted);
        match send!(request, Bound::plain()) {
            // Another process was faster, or another change is under way.
            Err(failure) if failure.is_code("ValidationException") || failure.is_in_use() => Ok(None),
            result => result.map(|_| None),
        }
    }
}

fn has_our_key(table: &TableDescription) -> bool {
    let [key] = table.key_schema() else { return false };
    let is_string = table
        .attribute_definitions()
        .iter()
        .any(|it| it.attribute_name() == KEY && *it.attribute_type() == ScalarAttributeType::S);
    key.attribute_name() == KEY && *key.key_type() == KeyType::Hash && is_string
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::Credentials;
    use tokio::net::TcpListener;

    use super::*;
    use crate::{DynamoDbBackend, error::BackendErrorKind};

    #[tokio::test(start_paused = true)]
    async fn creation_ends_at_its_limit_whatever_a_call_may_take() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let backend = DynamoDbBackend::builder("cache", "eu-central-1")
            .endpoint_url(&url)
            .credentials(Credentials::new("AKIATESTS", "secret", None, None, "tests"))
            .timeout(Duration::from_secs(3_600));
        let backend = backend.build().unwrap();
        let start = Instant::now();
        assert_eq!(backend.create_table().await.unwrap_err().kind(), BackendErrorKind::Timeout);
        assert!((LIMIT..LIMIT + PAUSE).contains(&start.elapsed()));
    }
}
