CREATE TABLE journey_export_queues (
	connection VARCHAR NOT NULL,
	position INTEGER NOT NULL,
	held_until TIMESTAMP WITH TIME ZONE,
	PRIMARY KEY (connection)
);
CREATE TABLE journey_export_schema (
	version SERIAL NOT NULL,
	PRIMARY KEY (version)
);
CREATE TABLE journey_exports (
	id SERIAL NOT NULL,
	vendor VARCHAR NOT NULL,
	connection VARCHAR NOT NULL,
	stream VARCHAR NOT NULL,
	partition_key VARCHAR NOT NULL,
	window_start TIMESTAMP WITH TIME ZONE NOT NULL,
	window_end TIMESTAMP WITH TIME ZONE NOT NULL,
	request JSON NOT NULL,
	parent_id INTEGER,
	root_id INTEGER NOT NULL,
	position INTEGER NOT NULL,
	state VARCHAR NOT NULL,
	version INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	polls INTEGER NOT NULL,
	tries INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	losses INTEGER NOT NULL,
	vendor_export_id TEXT,
	poll_address TEXT,
	generation INTEGER,
	lease VARCHAR,
	leased_until TIMESTAMP WITH TIME ZONE,
	due_at TIMESTAMP WITH TIME ZONE NOT NULL,
	wanted_at TIMESTAMP WITH TIME ZONE NOT NULL,
	asked_at TIMESTAMP WITH TIME ZONE,
	requested_at TIMESTAMP WITH TIME ZONE,
	polled_at TIMESTAMP WITH TIME ZONE,
	ready_at TIMESTAMP WITH TIME ZONE,
	landed_at TIMESTAMP WITH TIME ZONE,
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
	last_status INTEGER,
	error TEXT,
	PRIMARY KEY (id),
	FOREIGN KEY(parent_id) REFERENCES journey_exports (id)
);
CREATE TABLE journey_export_transitions (
	id SERIAL NOT NULL,
	export_id INTEGER NOT NULL,
	connection VARCHAR NOT NULL,
	edge VARCHAR NOT NULL,
	from_state VARCHAR NOT NULL,
	to_state VARCHAR NOT NULL,
	at TIMESTAMP WITH TIME ZONE NOT NULL,
	attempt INTEGER NOT NULL,
	status INTEGER,
	error TEXT,
	PRIMARY KEY (id),
	FOREIGN KEY(export_id) REFERENCES journey_exports (id)
);
CREATE INDEX journey_exports_due ON journey_exports (connection, state, due_at);
CREATE INDEX journey_exports_root ON journey_exports (root_id);
CREATE INDEX journey_exports_window ON journey_exports (connection, stream, window_start);
CREATE INDEX journey_export_transitions_day ON journey_export_transitions (connection, edge, at);
CREATE INDEX journey_export_transitions_export ON journey_export_transitions (export_id);
