using FineMixing.FineTuning;
using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Loss and gradient norm of every step. On a GPU they are read in groups, because the host would have to wait for each; on a CPU at once.</summary>
internal sealed class TrainingLog(int totalSteps, int epochs, int samples, int stepsPerRead, IProgress<TrainingProgress>? progress) : IDisposable
{
    private readonly List<(int Epoch, int Rows, Tensor Numbers)> _unread = [];
    private int _step;
    private long _seen;

    /// <summary>The mean loss of each epoch, of the steps read so far.</summary>
    public double[] EpochLosses { get; private set; } = new double[epochs];

    /// <summary>How many steps are read together on a device.</summary>
    public static int StepsPerRead(Device device) => device.type == DeviceType.CPU ? 1 : 32;

    /// <summary>Notes a step.</summary>
    /// <exception cref="TrainingDivergedException">This step's loss or gradient, or an unread one's, is not finite.</exception>
    public void Add(int epoch, int rows, Tensor loss, Tensor norm)
    {
        using var scope = NewDisposeScope();
        _unread.Add((epoch, rows, stack([loss.to(float64).sum(), norm.to(float64).sum()]).DetachFromDisposeScope()));
        if (_unread.Count >= stepsPerRead)
            Read();
    }

    /// <summary>Reads what is left and reports it.</summary>
    /// <exception cref="TrainingDivergedException">A loss or gradient is not finite.</exception>
    public void Read()
    {
        if (_unread.Count == 0)
            return;
        using var scope = NewDisposeScope();
        var numbers = stack(_unread.Select(u => u.Numbers)).cpu().data<double>().ToArray();
        for (var i = 0; i < _unread.Count; i++)
        {
            var (epoch, rows, _) = _unread[i];
            var (loss, norm) = (numbers[2 * i], numbers[(2 * i) + 1]);
            _step++;
            if (!double.IsFinite(norm) || !double.IsFinite(loss))
                throw new TrainingDivergedException(_step, loss, norm);
            _seen += rows;
            EpochLosses[epoch] += loss * rows / samples;
            progress?.Report(new TrainingProgress(_step, totalSteps, epoch + 1, loss, _seen));
        }

        Clear();
    }

    /// <summary>Describes what was noted so far.</summary>
    public void Transfer(IStateTransfer transfer)
    {
        Read();
        _step = transfer.Value("log.steps", _step);
        _seen = transfer.Value("log.seen", _seen);
        EpochLosses = transfer.Values("log.losses", EpochLosses);
    }

    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (var (_, _, numbers) in _unread)
            numbers.Dispose();
        _unread.Clear();
    }
}
