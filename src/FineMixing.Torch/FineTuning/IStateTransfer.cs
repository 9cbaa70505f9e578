using TorchSharp;
using static TorchSharp.torch;

namespace FineMixing.Torch.FineTuning;

/// <summary>Moves the state of a training run to or from a file. Whoever has state describes it once, for both directions: names and sizes are the same when it is written and when it is read.</summary>
internal unsafe interface IStateTransfer
{
    /// <summary>Memory of a known size; when reading, it is filled.</summary>
    void Memory(string name, void* address, long bytes);

    /// <summary>A list of numbers of any length.</summary>
    /// <returns>What is in the file when reading, <paramref name="values"/> when writing.</returns>
    T[] Values<T>(string name, T[] values)
        where T : unmanaged;
}

/// <summary>What is built from the two.</summary>
internal static unsafe class StateTransferExtensions
{
    /// <summary>One number.</summary>
    public static T Value<T>(this IStateTransfer transfer, string name, T value)
        where T : unmanaged => transfer.Values(name, [value])[0];

    /// <summary>A tensor on any device.</summary>
    public static void Tensor(this IStateTransfer transfer, string name, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        var host = tensor.cpu();
        transfer.Memory(name, Models.ParameterStore.Pointer(host), host.NumberOfElements * host.ElementSize);
        if (tensor.device.type != DeviceType.CPU)
            tensor.copy_(host);
    }
}
