from cluster.edges.grpc.generated.ossature.realtime.v1 import answer_events_pb2 as _answer_events_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import client_events_pb2 as _client_events_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import hearing_events_pb2 as _hearing_events_pb2
from cluster.edges.grpc.generated.ossature.realtime.v1 import server_events_pb2 as _server_events_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConverseRequest(_message.Message):
    __slots__ = ("event_id", "session_start", "session_update", "input_audio_buffer_append", "input_audio_buffer_commit", "input_audio_buffer_clear", "output_audio_buffer_clear", "conversation_item_create", "conversation_item_retrieve", "conversation_item_truncate", "conversation_item_delete", "response_create", "response_cancel")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_START_FIELD_NUMBER: _ClassVar[int]
    SESSION_UPDATE_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_APPEND_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_COMMIT_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_CLEAR_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_BUFFER_CLEAR_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_CREATE_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_RETRIEVE_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_TRUNCATE_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_DELETE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CREATE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CANCEL_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    session_start: _client_events_pb2.SessionStart
    session_update: _client_events_pb2.SessionUpdate
    input_audio_buffer_append: _client_events_pb2.InputAudioAppend
    input_audio_buffer_commit: _client_events_pb2.InputAudioCommit
    input_audio_buffer_clear: _client_events_pb2.InputAudioClear
    output_audio_buffer_clear: _client_events_pb2.OutputAudioClear
    conversation_item_create: _client_events_pb2.ItemCreate
    conversation_item_retrieve: _client_events_pb2.ItemRetrieve
    conversation_item_truncate: _client_events_pb2.ItemTruncate
    conversation_item_delete: _client_events_pb2.ItemDelete
    response_create: _client_events_pb2.ResponseCreate
    response_cancel: _client_events_pb2.ResponseCancel
    def __init__(self, event_id: _Optional[str] = ..., session_start: _Optional[_Union[_client_events_pb2.SessionStart, _Mapping]] = ..., session_update: _Optional[_Union[_client_events_pb2.SessionUpdate, _Mapping]] = ..., input_audio_buffer_append: _Optional[_Union[_client_events_pb2.InputAudioAppend, _Mapping]] = ..., input_audio_buffer_commit: _Optional[_Union[_client_events_pb2.InputAudioCommit, _Mapping]] = ..., input_audio_buffer_clear: _Optional[_Union[_client_events_pb2.InputAudioClear, _Mapping]] = ..., output_audio_buffer_clear: _Optional[_Union[_client_events_pb2.OutputAudioClear, _Mapping]] = ..., conversation_item_create: _Optional[_Union[_client_events_pb2.ItemCreate, _Mapping]] = ..., conversation_item_retrieve: _Optional[_Union[_client_events_pb2.ItemRetrieve, _Mapping]] = ..., conversation_item_truncate: _Optional[_Union[_client_events_pb2.ItemTruncate, _Mapping]] = ..., conversation_item_delete: _Optional[_Union[_client_events_pb2.ItemDelete, _Mapping]] = ..., response_create: _Optional[_Union[_client_events_pb2.ResponseCreate, _Mapping]] = ..., response_cancel: _Optional[_Union[_client_events_pb2.ResponseCancel, _Mapping]] = ...) -> None: ...

class ConverseResponse(_message.Message):
    __slots__ = ("event_id", "session_created", "session_updated", "conversation_created", "error", "rate_limits_updated", "conversation_item_created", "conversation_item_added", "conversation_item_done", "conversation_item_retrieved", "conversation_item_deleted", "conversation_item_truncated", "conversation_item_input_audio_transcription_delta", "conversation_item_input_audio_transcription_completed", "conversation_item_input_audio_transcription_segment", "conversation_item_input_audio_transcription_failed", "input_audio_buffer_committed", "input_audio_buffer_cleared", "input_audio_buffer_speech_started", "input_audio_buffer_speech_stopped", "input_audio_buffer_timeout_triggered", "input_audio_buffer_dtmf_event_received", "output_audio_buffer_started", "output_audio_buffer_stopped", "output_audio_buffer_cleared", "response_created", "response_done", "response_output_item_added", "response_output_item_done", "response_content_part_added", "response_content_part_done", "response_output_text_delta", "response_output_text_done", "response_output_audio_transcript_delta", "response_output_audio_transcript_done", "response_output_audio_delta", "response_output_audio_done", "response_function_call_arguments_delta", "response_function_call_arguments_done", "mcp_list_tools_in_progress", "mcp_list_tools_completed", "mcp_list_tools_failed", "response_mcp_call_in_progress", "response_mcp_call_completed", "response_mcp_call_failed", "response_mcp_call_arguments_delta", "response_mcp_call_arguments_done")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_CREATED_FIELD_NUMBER: _ClassVar[int]
    SESSION_UPDATED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_CREATED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMITS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_CREATED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_ADDED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_DONE_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_DELETED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_INPUT_AUDIO_TRANSCRIPTION_DELTA_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_INPUT_AUDIO_TRANSCRIPTION_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_INPUT_AUDIO_TRANSCRIPTION_SEGMENT_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ITEM_INPUT_AUDIO_TRANSCRIPTION_FAILED_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_CLEARED_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_SPEECH_STOPPED_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_TIMEOUT_TRIGGERED_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_BUFFER_DTMF_EVENT_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_BUFFER_STARTED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_BUFFER_STOPPED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_BUFFER_CLEARED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CREATED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_ITEM_ADDED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_ITEM_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CONTENT_PART_ADDED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CONTENT_PART_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_TEXT_DELTA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_TEXT_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_AUDIO_TRANSCRIPT_DELTA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_AUDIO_TRANSCRIPT_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_AUDIO_DELTA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_OUTPUT_AUDIO_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FUNCTION_CALL_ARGUMENTS_DELTA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FUNCTION_CALL_ARGUMENTS_DONE_FIELD_NUMBER: _ClassVar[int]
    MCP_LIST_TOOLS_IN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    MCP_LIST_TOOLS_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    MCP_LIST_TOOLS_FAILED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MCP_CALL_IN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MCP_CALL_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MCP_CALL_FAILED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MCP_CALL_ARGUMENTS_DELTA_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_MCP_CALL_ARGUMENTS_DONE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    session_created: _server_events_pb2.SessionCreated
    session_updated: _server_events_pb2.SessionUpdated
    conversation_created: _server_events_pb2.ConversationCreated
    error: _server_events_pb2.Error
    rate_limits_updated: _server_events_pb2.RateLimitsUpdated
    conversation_item_created: _server_events_pb2.ItemCreated
    conversation_item_added: _server_events_pb2.ItemAdded
    conversation_item_done: _server_events_pb2.ItemDone
    conversation_item_retrieved: _server_events_pb2.ItemRetrieved
    conversation_item_deleted: _server_events_pb2.ItemDeleted
    conversation_item_truncated: _server_events_pb2.ItemTruncated
    conversation_item_input_audio_transcription_delta: _hearing_events_pb2.TranscriptionDelta
    conversation_item_input_audio_transcription_completed: _hearing_events_pb2.TranscriptionCompleted
    conversation_item_input_audio_transcription_segment: _hearing_events_pb2.TranscriptionSegment
    conversation_item_input_audio_transcription_failed: _hearing_events_pb2.TranscriptionFailed
    input_audio_buffer_committed: _hearing_events_pb2.InputAudioCommitted
    input_audio_buffer_cleared: _hearing_events_pb2.InputAudioCleared
    input_audio_buffer_speech_started: _hearing_events_pb2.SpeechStarted
    input_audio_buffer_speech_stopped: _hearing_events_pb2.SpeechStopped
    input_audio_buffer_timeout_triggered: _hearing_events_pb2.TimeoutTriggered
    input_audio_buffer_dtmf_event_received: _hearing_events_pb2.DtmfReceived
    output_audio_buffer_started: _answer_events_pb2.OutputAudioStarted
    output_audio_buffer_stopped: _answer_events_pb2.OutputAudioStopped
    output_audio_buffer_cleared: _answer_events_pb2.OutputAudioCleared
    response_created: _answer_events_pb2.ResponseCreated
    response_done: _answer_events_pb2.ResponseDone
    response_output_item_added: _answer_events_pb2.OutputItemAdded
    response_output_item_done: _answer_events_pb2.OutputItemDone
    response_content_part_added: _answer_events_pb2.ContentPartAdded
    response_content_part_done: _answer_events_pb2.ContentPartDone
    response_output_text_delta: _answer_events_pb2.TextDelta
    response_output_text_done: _answer_events_pb2.TextDone
    response_output_audio_transcript_delta: _answer_events_pb2.AudioTranscriptDelta
    response_output_audio_transcript_done: _answer_events_pb2.AudioTranscriptDone
    response_output_audio_delta: _answer_events_pb2.AudioDelta
    response_output_audio_done: _answer_events_pb2.AudioDone
    response_function_call_arguments_delta: _answer_events_pb2.FunctionArgumentsDelta
    response_function_call_arguments_done: _answer_events_pb2.FunctionArgumentsDone
    mcp_list_tools_in_progress: _answer_events_pb2.McpListInProgress
    mcp_list_tools_completed: _answer_events_pb2.McpListCompleted
    mcp_list_tools_failed: _answer_events_pb2.McpListFailed
    response_mcp_call_in_progress: _answer_events_pb2.McpCallInProgress
    response_mcp_call_completed: _answer_events_pb2.McpCallCompleted
    response_mcp_call_failed: _answer_events_pb2.McpCallFailed
    response_mcp_call_arguments_delta: _answer_events_pb2.McpArgumentsDelta
    response_mcp_call_arguments_done: _answer_events_pb2.McpArgumentsDone
    def __init__(self, event_id: _Optional[str] = ..., session_created: _Optional[_Union[_server_events_pb2.SessionCreated, _Mapping]] = ..., session_updated: _Optional[_Union[_server_events_pb2.SessionUpdated, _Mapping]] = ..., conversation_created: _Optional[_Union[_server_events_pb2.ConversationCreated, _Mapping]] = ..., error: _Optional[_Union[_server_events_pb2.Error, _Mapping]] = ..., rate_limits_updated: _Optional[_Union[_server_events_pb2.RateLimitsUpdated, _Mapping]] = ..., conversation_item_created: _Optional[_Union[_server_events_pb2.ItemCreated, _Mapping]] = ..., conversation_item_added: _Optional[_Union[_server_events_pb2.ItemAdded, _Mapping]] = ..., conversation_item_done: _Optional[_Union[_server_events_pb2.ItemDone, _Mapping]] = ..., conversation_item_retrieved: _Optional[_Union[_server_events_pb2.ItemRetrieved, _Mapping]] = ..., conversation_item_deleted: _Optional[_Union[_server_events_pb2.ItemDeleted, _Mapping]] = ..., conversation_item_truncated: _Optional[_Union[_server_events_pb2.ItemTruncated, _Mapping]] = ..., conversation_item_input_audio_transcription_delta: _Optional[_Union[_hearing_events_pb2.TranscriptionDelta, _Mapping]] = ..., conversation_item_input_audio_transcription_completed: _Optional[_Union[_hearing_events_pb2.TranscriptionCompleted, _Mapping]] = ..., conversation_item_input_audio_transcription_segment: _Optional[_Union[_hearing_events_pb2.TranscriptionSegment, _Mapping]] = ..., conversation_item_input_audio_transcription_failed: _Optional[_Union[_hearing_events_pb2.TranscriptionFailed, _Mapping]] = ..., input_audio_buffer_committed: _Optional[_Union[_hearing_events_pb2.InputAudioCommitted, _Mapping]] = ..., input_audio_buffer_cleared: _Optional[_Union[_hearing_events_pb2.InputAudioCleared, _Mapping]] = ..., input_audio_buffer_speech_started: _Optional[_Union[_hearing_events_pb2.SpeechStarted, _Mapping]] = ..., input_audio_buffer_speech_stopped: _Optional[_Union[_hearing_events_pb2.SpeechStopped, _Mapping]] = ..., input_audio_buffer_timeout_triggered: _Optional[_Union[_hearing_events_pb2.TimeoutTriggered, _Mapping]] = ..., input_audio_buffer_dtmf_event_received: _Optional[_Union[_hearing_events_pb2.DtmfReceived, _Mapping]] = ..., output_audio_buffer_started: _Optional[_Union[_answer_events_pb2.OutputAudioStarted, _Mapping]] = ..., output_audio_buffer_stopped: _Optional[_Union[_answer_events_pb2.OutputAudioStopped, _Mapping]] = ..., output_audio_buffer_cleared: _Optional[_Union[_answer_events_pb2.OutputAudioCleared, _Mapping]] = ..., response_created: _Optional[_Union[_answer_events_pb2.ResponseCreated, _Mapping]] = ..., response_done: _Optional[_Union[_answer_events_pb2.ResponseDone, _Mapping]] = ..., response_output_item_added: _Optional[_Union[_answer_events_pb2.OutputItemAdded, _Mapping]] = ..., response_output_item_done: _Optional[_Union[_answer_events_pb2.OutputItemDone, _Mapping]] = ..., response_content_part_added: _Optional[_Union[_answer_events_pb2.ContentPartAdded, _Mapping]] = ..., response_content_part_done: _Optional[_Union[_answer_events_pb2.ContentPartDone, _Mapping]] = ..., response_output_text_delta: _Optional[_Union[_answer_events_pb2.TextDelta, _Mapping]] = ..., response_output_text_done: _Optional[_Union[_answer_events_pb2.TextDone, _Mapping]] = ..., response_output_audio_transcript_delta: _Optional[_Union[_answer_events_pb2.AudioTranscriptDelta, _Mapping]] = ..., response_output_audio_transcript_done: _Optional[_Union[_answer_events_pb2.AudioTranscriptDone, _Mapping]] = ..., response_output_audio_delta: _Optional[_Union[_answer_events_pb2.AudioDelta, _Mapping]] = ..., response_output_audio_done: _Optional[_Union[_answer_events_pb2.AudioDone, _Mapping]] = ..., response_function_call_arguments_delta: _Optional[_Union[_answer_events_pb2.FunctionArgumentsDelta, _Mapping]] = ..., response_function_call_arguments_done: _Optional[_Union[_answer_events_pb2.FunctionArgumentsDone, _Mapping]] = ..., mcp_list_tools_in_progress: _Optional[_Union[_answer_events_pb2.McpListInProgress, _Mapping]] = ..., mcp_list_tools_completed: _Optional[_Union[_answer_events_pb2.McpListCompleted, _Mapping]] = ..., mcp_list_tools_failed: _Optional[_Union[_answer_events_pb2.McpListFailed, _Mapping]] = ..., response_mcp_call_in_progress: _Optional[_Union[_answer_events_pb2.McpCallInProgress, _Mapping]] = ..., response_mcp_call_completed: _Optional[_Union[_answer_events_pb2.McpCallCompleted, _Mapping]] = ..., response_mcp_call_failed: _Optional[_Union[_answer_events_pb2.McpCallFailed, _Mapping]] = ..., response_mcp_call_arguments_delta: _Optional[_Union[_answer_events_pb2.McpArgumentsDelta, _Mapping]] = ..., response_mcp_call_arguments_done: _Optional[_Union[_answer_events_pb2.McpArgumentsDone, _Mapping]] = ...) -> None: ...
