namespace FineMixing.Torch.Tests.FineTuning;

/// <summary>Keeps what it is told, at once and on the same thread.</summary>
internal sealed class Reporter<T>(Action<T> report) : IProgress<T>
{
    public List<T> Reports { get; } = [];

    public void Report(T value)
    {
        Reports.Add(value);
        report(value);
    }
}
