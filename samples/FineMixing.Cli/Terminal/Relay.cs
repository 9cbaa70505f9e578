namespace FineMixing.Cli.Terminal;

/// <summary>Passes the library's reports on at once, on the reporting thread (unlike <see cref="Progress{T}"/>, which may reorder them).</summary>
internal sealed class Relay<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
