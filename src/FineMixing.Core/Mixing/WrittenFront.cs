namespace FineMixing.Mixing;

/// <summary>Up to where a file is written without gaps while its parts are finished in any order.</summary>
/// <param name="start">Where the first part begins.</param>
internal sealed class WrittenFront(long start)
{
    private readonly Dictionary<long, long> _ahead = [];
    private long _front = start;

    /// <summary>Tells of a part that is written; returns the front.</summary>
    public long Add(long begin, long end)
    {
        lock (_ahead)
        {
            _ahead.Add(begin, end);
            while (_ahead.Remove(_front, out var next))
                _front = next;
            return _front;
        }
    }
}
