"""The marks of the text protocol. They are Hermes' and Qwen's, which most models have seen."""

OPEN, CLOSE = "<tool_call>", "</tool_call>"
RESULT = "<tool_result"
