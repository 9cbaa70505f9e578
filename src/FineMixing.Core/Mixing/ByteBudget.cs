namespace FineMixing.Mixing;

/// <summary>Lets threads work at the same time as long as what they hold together stays within a bound.</summary>
/// <param name="bytes">The bound; at least the largest share that will be asked for.</param>
internal sealed class ByteBudget(long bytes)
{
    private readonly object _gate = new();
    private long _used;

    /// <summary>Does the work when its share is free.</summary>
    public void Use(long share, Action work)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, bytes);
        lock (_gate)
        {
            while (_used + share > bytes)
                Monitor.Wait(_gate);
            _used += share;
        }

        try
        {
            work();
        }
        finally
        {
            lock (_gate)
            {
                _used -= share;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
