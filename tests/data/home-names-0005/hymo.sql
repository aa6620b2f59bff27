BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE artifacts (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	format VARCHAR(16) NOT NULL, 
	path TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (id), 
	CONSTRAINT fk_artifacts_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE, 
	CONSTRAINT uq_artifacts_job_id_format UNIQUE (job_id, format)
);
CREATE TABLE attempts (
	id INTEGER NOT NULL, 
	job_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	worker_id INTEGER NOT NULL, 
	worker_name VARCHAR(200) NOT NULL, 
	card VARCHAR(100) NOT NULL, 
	mode VARCHAR(8) NOT NULL, 
	pack_size INTEGER NOT NULL, 
	outcome VARCHAR(16) NOT NULL, 
	failure VARCHAR(16), 
	error TEXT, 
	started_at DOUBLE NOT NULL, 
	finished_at DOUBLE, 
	queue_s DOUBLE, 
	load_s DOUBLE, 
	encode_s DOUBLE, 
	sample_s DOUBLE, 
	decode_s DOUBLE, 
	save_s DOUBLE, 
	peak_memory_bytes BIGINT, skate_mm DOUBLE, penetration_mm DOUBLE, jitter DOUBLE, dtype VARCHAR(16), "plan" VARCHAR(16), embedding VARCHAR(8), loads INTEGER, numerics_step INTEGER, numerics_dtype VARCHAR(16), 
	CONSTRAINT pk_attempts PRIMARY KEY (id), 
	CONSTRAINT ck_attempts_outcome CHECK (outcome IN ('running', 'succeeded', 'failed', 'cancelled', 'released', 'encoded')), 
	CONSTRAINT fk_attempts_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE, 
	CONSTRAINT fk_attempts_worker_id_workers FOREIGN KEY(worker_id) REFERENCES workers (id), 
	CONSTRAINT uq_attempts_job_id_number UNIQUE (job_id, number)
);
INSERT INTO "attempts" VALUES(1,1,1,1,'vm-cpu','CPU','full',1,'succeeded',NULL,NULL,1.79585732209598422049e+09,1.79585732213098716735e+09,1.75199198722839355468e+00,2.68400071945507079362e-06,6.4989999373210594058e-06,1.09524000436067581176e-04,5.70799966226331889629e-06,9.69617000009748153388e-04,0,NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL);
INSERT INTO "attempts" VALUES(2,2,1,1,'vm-cpu','CPU','full',1,'succeeded',NULL,NULL,1.79585732214901161191e+09,1.79585732216100096708e+09,1.805019378662109375e+00,0.0,5.70800148125272244215e-06,8.95439989108126610517e-05,5.24800088896881788969e-06,8.29729997349204495549e-05,0,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL);
CREATE TABLE batches (
	id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	source TEXT NOT NULL, 
	output TEXT NOT NULL, 
	paused BOOLEAN DEFAULT false NOT NULL, 
	created_at DOUBLE NOT NULL, 
	manifest_at DOUBLE, 
	CONSTRAINT pk_batches PRIMARY KEY (id), 
	CONSTRAINT uq_batches_name UNIQUE (name)
);
INSERT INTO "batches" VALUES(1,'batch','@FILES@/走路.csv','@HOME@/output',0,1.79585732032500219349e+09,1.79585732392498254776e+09);
INSERT INTO "batches" VALUES(2,'1','@FILES@/Шаги 1.csv','@HOME@/output',0,1.7958573267549812793e+09,NULL);
CREATE TABLE jobs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	batch_id INTEGER NOT NULL, 
	custom_id VARCHAR(100) NOT NULL, 
	seed BIGINT NOT NULL, 
	prompt TEXT NOT NULL, 
	frames INTEGER NOT NULL, 
	requested_mode VARCHAR(8) NOT NULL, 
	mode VARCHAR(8) NOT NULL, 
	steps INTEGER NOT NULL, 
	guidance DOUBLE NOT NULL, 
	priority INTEGER NOT NULL, 
	formats JSON NOT NULL, 
	model VARCHAR(100) NOT NULL, 
	revision VARCHAR(100) NOT NULL, 
	metadata JSON NOT NULL, 
	row_hash VARCHAR(64) NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	class_gib INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	failure VARCHAR(16), 
	error TEXT, 
	attempt INTEGER DEFAULT 0 NOT NULL, 
	attempt_limit INTEGER NOT NULL, 
	not_before DOUBLE DEFAULT 0 NOT NULL, 
	worker_id INTEGER, 
	lease_until DOUBLE, 
	cancel_requested BOOLEAN DEFAULT false NOT NULL, 
	published_at DOUBLE, 
	created_at DOUBLE NOT NULL, 
	queued_at DOUBLE NOT NULL, 
	started_at DOUBLE, 
	finished_at DOUBLE, 
	cached_from INTEGER, 
	card VARCHAR(100), 
	worker_name VARCHAR(200), 
	queue_s DOUBLE, 
	load_s DOUBLE, 
	encode_s DOUBLE, 
	sample_s DOUBLE, 
	decode_s DOUBLE, 
	save_s DOUBLE, 
	peak_memory_bytes BIGINT, duration_s DOUBLE GENERATED ALWAYS AS (finished_at - started_at) VIRTUAL, skate_mm DOUBLE, penetration_mm DOUBLE, jitter DOUBLE, encode_gib INTEGER, text_revision TEXT, original_prompt TEXT, rewrite TEXT, 
	CONSTRAINT ck_jobs_lease CHECK ((state = 'running') = (lease_until IS NOT NULL)), 
	CONSTRAINT ck_jobs_mode CHECK (mode IN ('full', 'lite')), 
	CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')), 
	CONSTRAINT fk_jobs_batch_id_batches FOREIGN KEY(batch_id) REFERENCES batches (id), 
	CONSTRAINT fk_jobs_cached_from_jobs FOREIGN KEY(cached_from) REFERENCES jobs (id), 
	CONSTRAINT fk_jobs_worker_id_workers FOREIGN KEY(worker_id) REFERENCES workers (id), 
	CONSTRAINT uq_jobs_batch_id_custom_id_seed UNIQUE (batch_id, custom_id, seed)
);
INSERT INTO "jobs" VALUES(1,1,'a',0,'a person walks',100,'full','full',50,5.0,0,'["npz"]','null','null-1','{}','5f0f9bf7f8b67b0bebd2f537a6bd179e','62dfbb16123d04120e5a5eaeb173ac44',24,'succeeded',NULL,NULL,1,3,0.0,1,NULL,0,1.79585732058398270605e+09,1.79585732034399223324e+09,1.79585732034399223324e+09,1.79585732209598422049e+09,1.79585732213098716735e+09,NULL,'CPU','vm-cpu',1.75199198722839355468e+00,2.68400071945507079362e-06,6.4989999373210594058e-06,1.09524000436067581176e-04,5.70799966226331889629e-06,9.69617000009748153388e-04,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(2,1,'b',0,'a person turns around',100,'full','full',50,5.0,3,'["npz"]','null','null-1','{}','e63879f1d7fcc7c18ba75cdd8a04965a','e765bd47f9c7df1173147cd4d8ea4287',24,'succeeded',NULL,NULL,1,3,0.0,1,NULL,0,1.79585732058398270605e+09,1.79585732034399223324e+09,1.79585732034399223324e+09,1.79585732214901161191e+09,1.79585732216100096708e+09,NULL,'CPU','vm-cpu',1.805019378662109375e+00,0.0,5.70800148125272244215e-06,8.95439989108126610517e-05,5.24800088896881788969e-06,8.29729997349204495549e-05,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(3,1,'Wave',0,'a person waves',100,'full','full',50,5.0,0,'["npz"]','null','null-1','{}','74633f225352b2751157b21bf51688f9','630de631f684869a8ed70103ce991805',24,'queued',NULL,NULL,0,3,0.0,NULL,NULL,0,NULL,1.79585732536098361018e+09,1.79585732536098361018e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(4,1,'wave',1,'a person waves',100,'full','full',50,5.0,5,'["npz"]','null','null-1','{}','5adc7ebc629b30f2c5af98cf0be9db56','a2cf67dbe9b070ad9c0b804ec893cf2d',24,'queued',NULL,NULL,0,3,0.0,NULL,NULL,0,NULL,1.79585732536098361018e+09,1.79585732536098361018e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(5,2,'1',0,'a person jumps',20,'full','full',50,5.0,0,'["npz"]','null','null-1','{}','ae08dcaaabdb5a0839f186530a11820b','3642299c885f66a01ed6f233aafa7341',16,'queued',NULL,NULL,0,3,0.0,NULL,NULL,0,NULL,1.79585732677698874473e+09,1.79585732677698874473e+09,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE motion_features (
	job_id INTEGER NOT NULL, 
	reference VARCHAR(64) NOT NULL, 
	windows INTEGER NOT NULL, 
	blob BLOB NOT NULL, 
	CONSTRAINT pk_motion_features PRIMARY KEY (job_id), 
	CONSTRAINT fk_motion_features_job_id_jobs FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE workers (
	id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER, 
	device VARCHAR(64) NOT NULL, 
	card VARCHAR(100) NOT NULL, 
	modes JSON NOT NULL, 
	models JSON NOT NULL, 
	memory_bytes BIGINT NOT NULL, 
	max_frames JSON NOT NULL, 
	dtype VARCHAR(16) NOT NULL, 
	nvlink BOOLEAN DEFAULT false NOT NULL, 
	queues JSON NOT NULL, 
	tags JSON NOT NULL, 
	started_at DOUBLE NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	stopped_at DOUBLE, revisions JSON, encoders JSON, 
	CONSTRAINT pk_workers PRIMARY KEY (id), 
	CONSTRAINT ck_workers_state CHECK (state IN ('declared', 'live', 'draining', 'stopped'))
);
INSERT INTO "workers" VALUES(1,'vm-cpu','stopped','vm',11556,'cpu','CPU','["full", "lite"]','["null"]',34359738368,'{}','float32',0,'["hymo.full.32", "hymo.lite.32", "hymo.full.24", "hymo.lite.24", "hymo.full.20", "hymo.lite.20", "hymo.full.16", "hymo.lite.16", "hymo.full.12", "hymo.lite.12", "hymo.full.10", "hymo.lite.10", "hymo.full.8", "hymo.lite.8", "hymo.full.6", "hymo.lite.6", "hymo.full.4", "hymo.lite.4", "hymo.full.3", "hymo.lite.3", "hymo.full.2", "hymo.lite.2", "hymo.full.1", "hymo.lite.1"]','{"memory_gib": 23.5, "fastest_dtype": "float32", "bandwidth": "unknown"}',1.79585732183100891114e+09,1.79585732318799209594e+09,1.79585732318799209594e+09,'{"null": {"full": "null-1", "lite": "null-1"}}','{}');
CREATE UNIQUE INDEX ix_workers_declared ON workers (name) WHERE state = 'declared';
CREATE INDEX ix_workers_state_seen_at ON workers (state, seen_at);
CREATE INDEX ix_jobs_batch_id_finished_at ON jobs (batch_id, finished_at);
CREATE INDEX ix_jobs_batch_id_state ON jobs (batch_id, state, id);
CREATE INDEX ix_jobs_content_hash ON jobs (content_hash) WHERE state = 'succeeded';
CREATE INDEX ix_jobs_created_at ON jobs (created_at);
CREATE INDEX ix_jobs_lease ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX ix_jobs_state_id ON jobs (state, id);
CREATE INDEX ix_jobs_unpublished ON jobs (state, id) WHERE state = 'queued' AND published_at IS NULL;
CREATE INDEX ix_jobs_batch_id_id ON jobs (batch_id, id);
CREATE INDEX ix_jobs_priority_id ON jobs (priority, id);
CREATE INDEX ix_jobs_card_id ON jobs (card, id) WHERE card IS NOT NULL;
CREATE INDEX ix_jobs_worker_name_id ON jobs (worker_name, id) WHERE worker_name IS NOT NULL;
CREATE INDEX ix_jobs_failure_id ON jobs (failure, id) WHERE failure IS NOT NULL;
CREATE INDEX ix_jobs_finished_at_id ON jobs (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX ix_jobs_duration_s_id ON jobs (duration_s, id) WHERE duration_s IS NOT NULL;
CREATE INDEX ix_jobs_queue_s_id ON jobs (queue_s, id) WHERE queue_s IS NOT NULL;
CREATE INDEX ix_jobs_peak_memory_bytes_id ON jobs (peak_memory_bytes, id) WHERE peak_memory_bytes IS NOT NULL;
CREATE INDEX ix_jobs_skate_mm_id ON jobs (skate_mm, id) WHERE skate_mm IS NOT NULL;
CREATE INDEX ix_jobs_penetration_mm_id ON jobs (penetration_mm, id) WHERE penetration_mm IS NOT NULL;
CREATE INDEX ix_jobs_jitter_id ON jobs (jitter, id) WHERE jitter IS NOT NULL;
CREATE INDEX ix_jobs_claim ON jobs (mode, model, class_gib, priority DESC, id, batch_id) WHERE state = 'queued' AND encode_gib IS NULL;
CREATE INDEX ix_jobs_encode ON jobs (text_revision, priority DESC, id) WHERE state = 'queued' AND encode_gib IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',5);
COMMIT;
