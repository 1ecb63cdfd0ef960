module people

go 1.18
