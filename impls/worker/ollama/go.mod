module github.com/slidefuzz/slidefuzz/impls/worker/ollama

go 1.26.0

require (
	github.com/ollama/ollama v0.17.4
	github.com/slidefuzz/slidefuzz v0.0.0
)

replace github.com/slidefuzz/slidefuzz => ../../..
