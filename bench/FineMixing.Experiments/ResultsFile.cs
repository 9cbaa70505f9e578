using System.Text.Json;

namespace FineMixing.Experiments;

/// <summary>Results as JSON lines: appended one by one, so that an interrupted grid goes on where it stopped.</summary>
internal sealed class ResultsFile(string path)
{
    private readonly Lock _gate = new();

    public IReadOnlyList<Measurement> Read() => File.Exists(path)
        ? [.. File.ReadLines(path).Where(l => l.Length > 0).Select(l => JsonSerializer.Deserialize<Measurement>(l)!)]
        : [];

    public void Append(Measurement measurement)
    {
        lock (_gate)
            File.AppendAllText(path, JsonSerializer.Serialize(measurement) + "\n");
    }
}
