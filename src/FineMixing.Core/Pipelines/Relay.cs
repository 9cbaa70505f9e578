namespace FineMixing.Pipelines;

/// <summary>Progress that is reported in place: <see cref="Progress{T}"/> posts to another thread, where reports may arrive out of order.</summary>
internal sealed class Relay<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
