-- Which events of a stream and its twin are the same one.
-- Grain: one row per event and pair of streams.
-- Key: link_key, event_key.
-- Made: by link_key.
--
-- link_key: The same for events that are one.
-- event_key: The event.
-- occurred_on: Its UTC day.
-- connection: The configured account.
-- stream: The stream of the pair whose events marts leave out.
-- is_of_twin: Whether it is the twin's event.
-- is_in_stream: Whether the stream tells of it.
-- told_journey_id: Of the twin's event: the journey that the stream's event names, of the least key with a journey.
-- told_journey_name: Of the twin's event: its name that the stream's event names, of the least key with a journey.
-- told_journey_version: Of the twin's event: its version that the stream's event names, of the least key with a journey.
-- told_enrolment_id: Of the twin's event: the passage that the stream's event names, of the least key with a journey.
-- told_activity_id: Of the twin's event: the step that the stream's event names, of the least key with a journey.
-- told_activity_name: Of the twin's event: the step's name that the stream's event names, of the least key with a journey.
-- told_activity_type: Of the twin's event: the step's type that the stream's event names, of the least key with a journey.
-- told_next_activity_id: Of the twin's event: the next step that the stream's event names, of the least key with a journey.
-- twin_key: The twin's event that stands for it, the least key where several do; NULL where the twin lacks it.
select
    link_key,
    event_key,
    occurred_on,
    connection,
    stream,
    is_of_twin,
    bool_or(not is_of_twin) over same as is_in_stream,
    case when is_of_twin then arg_min_null(told_journey_id, event_key) filter (told_journey_id is not null) over same end
        as told_journey_id,
    case when is_of_twin then arg_min_null(told_journey_name, event_key) filter (told_journey_id is not null) over same end
        as told_journey_name,
    case when is_of_twin then arg_min_null(told_journey_version, event_key) filter (told_journey_id is not null) over same end
        as told_journey_version,
    case when is_of_twin then arg_min_null(told_enrolment_id, event_key) filter (told_journey_id is not null) over same end
        as told_enrolment_id,
    case when is_of_twin then arg_min_null(told_activity_id, event_key) filter (told_journey_id is not null) over same end
        as told_activity_id,
    case when is_of_twin then arg_min_null(told_activity_name, event_key) filter (told_journey_id is not null) over same end
        as told_activity_name,
    case when is_of_twin then arg_min_null(told_activity_type, event_key) filter (told_journey_id is not null) over same end
        as told_activity_type,
    case when is_of_twin then arg_min_null(told_next_activity_id, event_key) filter (told_journey_id is not null) over same end
        as told_next_activity_id,
    min(event_key) filter (where is_of_twin) over same as twin_key
from internal.link_keys
window same as (partition by link_key)
