# Publishes over HTTP: an event, the same again, another one under its id, a batch; says what each answer means; reads.
# Run with PowerShell 7.4 or later: pwsh publish.ps1 [id]. TARGET_URL is the HTTP bridge, http://127.0.0.1:8080 unless set.
param([string] $Id = "order-$([guid]::NewGuid())")
$ErrorActionPreference = 'Stop'
$url = ($env:TARGET_URL ? $env:TARGET_URL : 'http://127.0.0.1:8080') -replace '/?(publish/?)?$', ''

$meanings = @{
  201 = 'stored: it is in Postgres, and was new'
  200 = 'a duplicate, which changed nothing; of a batch, each result has its own outcome'
  202 = 'accepted: it cannot be lost, but the verdict was not known in time; sent again it is told'
  409 = 'a conflict: its id is stored with another payload or source, and that stays'
  422 = 'a dead letter: kept with its bytes, but it cannot be stored'
}

function New-Event([string] $EventId, [double] $Total) {
  $now = [DateTime]::UtcNow.ToString('o')
  @{ topic = 'orders'; event_id = $EventId; timestamp = $now; source = 'powershell-example'; payload = @{ total = $Total } }
}

# What fails for now is sent again as it was, which is safe: the copy that comes second is told "duplicate". Not with
# -MaximumRetryCount, which would send again what was answered with 409.
function Publish-Event([string] $What, $Body) {
  $json = ConvertTo-Json -InputObject $Body -Depth 20 -Compress
  for ($try = 1; ; $try++) {
    try {
      $status = 0
      $answer = Invoke-RestMethod -Method Post -Uri "$url/publish" -ContentType 'application/json' -Body $json `
        -TimeoutSec 15 -SkipHttpErrorCheck -StatusCodeVariable status
    }
    catch { $answer = @{ error = @{ message = $_.Exception.Message } } }
    if ($status -notin 0, 429, 502, 503, 504 -or $try -eq 5) { break }
    Start-Sleep -Seconds $try
  }
  if (-not $meanings.ContainsKey([int] $status)) { throw "${What}: not taken, HTTP ${status}: $($answer.error.message)" }
  "${What}: HTTP $status, $($meanings[[int] $status])"
  foreach ($result in $answer.results) { "  $($result.event_id) $($result.outcome)" }
}

Publish-Event 'an event' (New-Event $Id 12.5)
Publish-Event 'the same again' (New-Event $Id 12.5)
Publish-Event 'another under its id' (New-Event $Id 99)
Publish-Event 'a batch of one old, two new' @((New-Event $Id 12.5), (New-Event "$Id-b" 7), (New-Event "$Id-c" 8))

'what is kept:'
$kept = Invoke-RestMethod -Uri "$url/events?topic=orders&source=powershell-example&order=desc&limit=3"
foreach ($each in $kept.events) { "  $($each.id) $($each.event_id) $($each.payload | ConvertTo-Json -Compress)" }
