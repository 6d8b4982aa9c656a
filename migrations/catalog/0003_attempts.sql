-- How attempts at a job ended, other than well; the newest twenty of each job are kept. What happens again in a row is
-- one row with times counted up. outcome: failed, waited (a service was away), crashed.
CREATE TABLE attempts (
    job_id        BIGINT  NOT NULL REFERENCES jobs (id),
    number        INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    error_code    TEXT    NOT NULL,
    error_message TEXT    NOT NULL,
    times         INTEGER NOT NULL,
    ended_at      BIGINT  NOT NULL,
    PRIMARY KEY (job_id, number)
);
