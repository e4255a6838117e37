module est-client

go 1.19

require github.com/globalsign/est v1.0.6
