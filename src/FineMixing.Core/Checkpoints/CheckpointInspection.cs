using System.Numerics;
using System.Numerics.Tensors;

namespace FineMixing.Checkpoints;

/// <summary>Facts about the values of one tensor.</summary>
/// <param name="Tensor">Name, type and shape.</param>
/// <param name="Min">The smallest finite value; null if there is none or the type has no numbers here.</param>
/// <param name="Max">The largest finite value; null like <paramref name="Min"/>.</param>
/// <param name="Mean">The mean of the finite values; null like <paramref name="Min"/>.</param>
/// <param name="NaNCount">How many values are not a number.</param>
/// <param name="InfinityCount">How many values are infinite.</param>
public sealed record TensorStatistics(TensorInfo Tensor, double? Min, double? Max, double? Mean, long NaNCount, long InfinityCount)
{
    /// <summary>True if every value is a finite number.</summary>
    public bool IsFinite => NaNCount == 0 && InfinityCount == 0;
}

/// <summary>What a checkpoint holds: each tensor with its range, and totals.</summary>
/// <param name="Location">Where the checkpoint comes from.</param>
/// <param name="Tensors">In stored order.</param>
public sealed record CheckpointInspection(string Location, IReadOnlyList<TensorStatistics> Tensors)
{
    /// <summary>The number of elements of all tensors.</summary>
    public long ElementCount => Tensors.Sum(t => t.Tensor.ElementCount);

    /// <summary>The size of all values in bytes.</summary>
    public long ByteLength => Tensors.Sum(t => t.Tensor.ByteLength);

    /// <summary>How many values are not a number.</summary>
    public long NaNCount => Tensors.Sum(t => t.NaNCount);

    /// <summary>How many values are infinite.</summary>
    public long InfinityCount => Tensors.Sum(t => t.InfinityCount);

    /// <summary>Reads every value once, in bounded memory.</summary>
    /// <exception cref="CheckpointFormatException">The checkpoint cannot be read.</exception>
    public static CheckpointInspection Inspect(ICheckpoint checkpoint, IProgress<TensorStatistics>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        var statistics = new List<TensorStatistics>(checkpoint.Tensors.Count);
        foreach (var tensor in checkpoint.Tensors)
        {
            statistics.Add(Inspect(checkpoint, tensor, cancellationToken));
            progress?.Report(statistics[^1]);
        }

        return new CheckpointInspection(checkpoint.Location, statistics);
    }

    /// <summary>Reads every value of one tensor.</summary>
    public static TensorStatistics Inspect(ICheckpoint checkpoint, TensorInfo tensor, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        ArgumentNullException.ThrowIfNull(tensor);
        var totals = new Totals();
        if (tensor.DType is DType.F16 or DType.BF16 or DType.F32)
            TensorReader.ForEachChunk(checkpoint, tensor, (ReadOnlySpan<float> values) => totals.Add(values), cancellationToken);
        else if (TensorReader.IsNumeric(tensor.DType))
            TensorReader.ForEachChunk(checkpoint, tensor, (ReadOnlySpan<double> values) => totals.Add(values), cancellationToken);
        return totals.ToStatistics(tensor);
    }

    private sealed class Totals
    {
        private double _min = double.PositiveInfinity;
        private double _max = double.NegativeInfinity;
        private double _sum;
        private long _finite;
        private long _nan;
        private long _infinite;

        public void Add<T>(ReadOnlySpan<T> values)
            where T : unmanaged, IFloatingPointIeee754<T>
        {
            if (!TensorPrimitives.IsFiniteAll(values))
            {
                AddOneByOne(values);
                return;
            }

            _min = Math.Min(_min, double.CreateTruncating(TensorPrimitives.Min(values)));
            _max = Math.Max(_max, double.CreateTruncating(TensorPrimitives.Max(values)));
            _sum += double.CreateTruncating(TensorPrimitives.Sum(values));
            _finite += values.Length;
        }

        public TensorStatistics ToStatistics(TensorInfo tensor) => _finite == 0
            ? new TensorStatistics(tensor, null, null, null, _nan, _infinite)
            : new TensorStatistics(tensor, _min, _max, _sum / _finite, _nan, _infinite);

        private void AddOneByOne<T>(ReadOnlySpan<T> values)
            where T : unmanaged, IFloatingPointIeee754<T>
        {
            foreach (var value in values)
            {
                if (T.IsNaN(value))
                    _nan++;
                else if (T.IsInfinity(value))
                    _infinite++;
                else
                {
                    var number = double.CreateTruncating(value);
                    _min = Math.Min(_min, number);
                    _max = Math.Max(_max, number);
                    _sum += number;
                    _finite++;
                }
            }
        }
    }
}
